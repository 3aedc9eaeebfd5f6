// The integers and byte strings of the manifest: LEB128, shortest form only, so that a value has
// one encoding.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace murder {

/// What is wrong with bytes that are being read. Caught by the decoder, which knows their name.
class Malformed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

void put_varint(std::string& out, std::uint64_t value);
/// Signed, zigzag: 0, -1, 1, -2, … as 0, 1, 2, 3, …
void put_signed(std::string& out, std::int64_t value);
/// Length, then the bytes.
void put_bytes(std::string& out, std::string_view bytes);

/// Reads what the functions above wrote; the views it gives point into its input. Throws Malformed
/// at the first byte that they would not have written.
class ByteReader {
 public:
  explicit ByteReader(std::string_view input) : rest_(input) {}
  std::uint64_t varint();
  std::int64_t signed_varint();
  std::string_view bytes();
  std::string_view raw(std::size_t count);
  std::size_t remaining() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

}  // namespace murder
