#include "release/varint.hpp"

namespace murder {

void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void put_signed(std::string& out, std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  put_varint(out, value < 0 ? ~(bits << 1) : bits << 1);
}

void put_bytes(std::string& out, std::string_view bytes) {
  put_varint(out, bytes.size());
  out += bytes;
}

std::uint64_t ByteReader::varint() {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < rest_.size(); ++i) {
    const auto byte = static_cast<unsigned char>(rest_[i]);
    if (i == 9 && byte > 1) throw Malformed("a number beyond 64 bits");
    value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      if (byte == 0 && i > 0) throw Malformed("a number with needless zeros");
      rest_.remove_prefix(i + 1);
      return value;
    }
  }
  throw Malformed("it ends inside a number");
}

std::int64_t ByteReader::signed_varint() {
  const std::uint64_t bits = varint();
  const std::uint64_t magnitude = bits >> 1;
  return static_cast<std::int64_t>((bits & 1) != 0 ? ~magnitude : magnitude);
}

std::string_view ByteReader::bytes() {
  const std::uint64_t length = varint();
  if (length > rest_.size()) throw Malformed("it ends inside a name");
  return raw(static_cast<std::size_t>(length));
}

std::string_view ByteReader::raw(std::size_t count) {
  if (count > rest_.size()) throw Malformed("it ends too early");
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

}  // namespace murder
