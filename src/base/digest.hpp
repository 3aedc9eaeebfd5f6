// SHA-1 and SHA-256, through OpenSSL (which uses SHA-NI where the processor has it).
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace murder {

template <std::size_t N, class Tag>
struct Digest {
  std::array<std::uint8_t, N> bytes{};

  static constexpr std::size_t size = N;
  friend auto operator<=>(const Digest&, const Digest&) = default;
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), N}; }
  /// Lower-case hexadecimal.
  std::string hex() const;
  /// From exactly N raw bytes; nullopt for any other length.
  static std::optional<Digest> from_bytes(std::string_view raw);
  /// From exactly 2N hexadecimal digits, either case.
  static std::optional<Digest> from_hex(std::string_view text);
};

using Sha1Digest = Digest<20, struct Sha1Tag>;
using Sha256Digest = Digest<32, struct Sha256Tag>;
/// SHA-1 of the bencoded info dictionary (BEP 3).
using InfoHash = Digest<20, struct InfoHashTag>;
/// 20 bytes a peer picks for itself; murder's begin "-MU" (BEP 20).
using PeerId = Digest<20, struct PeerIdTag>;

using ByteSpan = std::span<const std::uint8_t>;
inline ByteSpan as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Sha1Digest sha1(ByteSpan data);
Sha256Digest sha256(ByteSpan data);
inline Sha1Digest sha1(std::string_view data) { return sha1(as_bytes(data)); }
inline Sha256Digest sha256(std::string_view data) { return sha256(as_bytes(data)); }

/// SHA-256 of data that comes in parts. Movable; one thread at a time.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  void update(ByteSpan data);
  /// The digest of everything so far; the stream starts anew.
  Sha256Digest finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string to_hex(ByteSpan data);

}  // namespace murder
