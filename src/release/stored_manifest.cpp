#include "release/stored_manifest.hpp"

#include <algorithm>
#include <cstdint>

#include "release/manifest_codec.hpp"

namespace murder {
namespace {

// RFC 8878.
constexpr std::uint32_t magic = 0xfd2fb528;
constexpr std::uint32_t header_with_size_in_4_bytes = 0xa0;
constexpr std::size_t most_in_block = 128u << 10;

void append_little_endian(std::string& text, std::size_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
}

}  // namespace

std::string store_manifest(const Manifest& manifest) {
  const std::string body = encode_manifest_body(manifest);
  std::string stored;
  append_little_endian(stored, magic, 4);
  append_little_endian(stored, header_with_size_in_4_bytes, 1);
  append_little_endian(stored, body.size(), 4);
  std::size_t at = 0;
  do {
    const std::size_t size = std::min(most_in_block, body.size() - at);
    const bool is_last = at + size == body.size();
    append_little_endian(stored, size << 3 | (is_last ? 1 : 0), 3);
    stored.append(body, at, size);
    at += size;
  } while (at < body.size());
  return stored;
}

}  // namespace murder
