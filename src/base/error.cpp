#include "base/error.hpp"

#include <cstdint>
#include <fmt/format.h>
#include <system_error>

namespace murder {
namespace {

constexpr std::uint32_t not_utf8 = UINT32_MAX;

struct Character {
  std::uint32_t code_point;  // not_utf8: the first byte begins no character
  std::size_t length;        // bytes, at least 1
};

/// The first character of a text that is not empty (RFC 3629: the shortest form, no surrogates).
Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {not_utf8, 1};
  std::uint32_t code_point = lead & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {not_utf8, 1};
    code_point = code_point << 6 | (byte(i) & 0x3fu);
  }
  static constexpr std::uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  if (code_point < smallest[length] || code_point > 0x10ffff || is_surrogate) return {not_utf8, 1};
  return {code_point, length};
}

/// Neither steers a terminal (C0, C1) nor breaks or reorders the line (U+2028, bidi controls).
bool is_harmless(std::uint32_t code_point) {
  if (code_point == not_utf8 || code_point < 0x20) return false;
  if (code_point >= 0x7f && code_point <= 0x9f) return false;
  return !(code_point >= 0x2028 && code_point <= 0x202e) &&
         !(code_point >= 0x2066 && code_point <= 0x2069);
}

}  // namespace

std::string system_reason(int error_number) {
  return std::generic_category().message(error_number);
}

void throw_system_error(std::string_view operation, std::string_view object, int error_number) {
  throw Error(ErrorKind::failed,
              fmt::format("{} {}: {}", operation, printable(object), system_reason(error_number)));
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  while (!text.empty()) {
    if (out.size() >= limit) return out + "…";
    const Character c = first_character(text);
    const std::string_view bytes = text.substr(0, c.length);
    if (is_harmless(c.code_point)) {
      out += bytes;
    } else {
      for (const char byte : bytes)
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    }
    text.remove_prefix(c.length);
  }
  return out;
}

}  // namespace murder
