#include "base/error.hpp"

#include <fmt/format.h>
#include <system_error>

namespace murder {

std::string system_reason(int error_number) {
  return std::generic_category().message(error_number);
}

void throw_system_error(std::string_view operation, std::string_view object, int error_number) {
  throw Error(ErrorKind::failed,
              fmt::format("{} {}: {}", operation, printable(object), system_reason(error_number)));
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  for (const char c : text) {
    if (out.size() >= limit) return out + "…";
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out;
}

}  // namespace murder
