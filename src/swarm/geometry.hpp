// How a payload is cut: pieces, and 16 KiB units within a piece.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/units.hpp"
#include "bittorrent/wire.hpp"

namespace murder::swarm {

/// The finest grain at which received data is accounted, and the block that stock clients ask for.
inline constexpr std::uint32_t unit_bytes = 16 * 1024;

struct Geometry {
  std::uint64_t length = 0;        ///< bytes
  std::uint32_t piece_length = 0;  ///< bytes

  std::uint32_t piece_count() const {
    return static_cast<std::uint32_t>((length + piece_length - 1) / piece_length);
  }
  std::uint32_t piece_size(PieceIndex piece) const {
    const std::uint64_t begin = std::uint64_t{piece.value()} * piece_length;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(piece_length, length - begin));
  }
  std::uint32_t unit_count(PieceIndex piece) const {
    return (piece_size(piece) + unit_bytes - 1) / unit_bytes;
  }
  /// Within the payload, not empty.
  bool contains(const wire::Block& block) const {
    return block.piece.value() < piece_count() && block.length > 0 &&
           std::uint64_t{block.begin} + block.length <= piece_size(block.piece);
  }
};

}  // namespace murder::swarm
