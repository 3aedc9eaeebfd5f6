// One part of the tar stream to one zstd frame. The parameters are fixed here: they are part of
// what makes a pack's bytes depend on the tree alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace murder {

inline constexpr int least_level = 1;
inline constexpr int greatest_level = 22;

/// Room that compress_frame needs for so many bytes.
std::size_t compressed_bound(std::size_t raw_bytes);

/// Compresses `raw` into `out`, which has compressed_bound() bytes of room; returns how many it
/// took. Any thread. The frame says its content's size and has a checksum, and plain `zstd -d`
/// decodes it: its window is at most 8 MiB.
std::size_t compress_frame(std::span<const std::uint8_t> raw, std::span<std::uint8_t> out,
                           int level);

}  // namespace murder
