// Tar headers, byte for byte: ustar (POSIX.1-1988), with a pax extended header (POSIX.1-2001) in
// front where a field does not hold the value. Written here rather than by a library because the
// same entry must give the same bytes for ever: they are what hosts share and what patches refer
// to. No I/O.
#pragma once

#include <cstdint>
#include <string>

#include "release/manifest.hpp"

namespace murder {

inline constexpr std::uint64_t tar_block_bytes = 512;
/// Two blocks of zeros end a tar stream.
inline constexpr std::uint64_t tar_end_bytes = 2 * tar_block_bytes;

/// Bytes that content of this size takes in the stream: whole blocks.
constexpr std::uint64_t tar_padded(std::uint64_t size) {
  return (size + tar_block_bytes - 1) / tar_block_bytes * tar_block_bytes;
}

/// All header blocks of an entry, the last of them directly before its content. Owner 0:0, no
/// names. Paths and targets are stored as the raw bytes they are, also in pax records: GNU tar and
/// libarchive give those back unchanged, whether they are UTF-8 or not.
std::string tar_header(const Entry& entry, std::int64_t mtime);

}  // namespace murder
