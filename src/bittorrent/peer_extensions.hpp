// What extended messages of BEP 10 hold: metadata from peers (BEP 9) and peer exchange (BEP 11).
// No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"

namespace murder::wire {

/// Under which ids we take them; others use other numbers.
inline constexpr std::uint8_t our_ut_metadata = 1;
inline constexpr std::uint8_t our_ut_pex = 2;

/// Metadata travels in pieces of 16 KiB, the last one shorter.
inline constexpr std::uint32_t metadata_piece_bytes = 16 * 1024;
/// Of an info dictionary that is taken from a peer: digests of 300,000 pieces.
inline constexpr std::uint32_t max_metadata_bytes = 16u << 20;

inline std::uint32_t metadata_pieces(std::uint64_t bytes) {
  return static_cast<std::uint32_t>((bytes + metadata_piece_bytes - 1) / metadata_piece_bytes);
}

struct MetadataMessage {
  enum class Type : std::uint8_t { request = 0, data = 1, reject = 2 } type = Type::request;
  std::uint32_t piece = 0;
  std::uint32_t total_size = 0;  ///< of data only
  std::string data = {};         ///< of data only
  friend bool operator==(const MetadataMessage&, const MetadataMessage&) = default;
};
std::string encode_metadata_message(const MetadataMessage& message);
/// nullopt when it is none, or of a type that is not known.
std::optional<MetadataMessage> decode_metadata_message(std::string_view payload);

struct PexMessage {
  std::vector<Endpoint> added;
  std::vector<Endpoint> dropped;
  friend bool operator==(const PexMessage&, const PexMessage&) = default;
};
std::string encode_pex_message(const PexMessage& message);
/// Peers that nobody can dial are left out. nullopt when it is none.
std::optional<PexMessage> decode_pex_message(std::string_view payload);

}  // namespace murder::wire
