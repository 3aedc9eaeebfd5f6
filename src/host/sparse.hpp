// Writing files without their zeros: long runs of them become holes, which take no room.
#pragma once

#include <cstdint>
#include <string_view>

namespace murder {

inline constexpr std::uint64_t sparse_block_bytes = 4096;
/// Shorter runs of zeros are written, so that a file is not torn into many extents.
inline constexpr std::uint64_t shortest_hole_bytes = 64u << 10;
/// Smaller files are written as they are.
inline constexpr std::uint64_t smallest_sparse_file_bytes = 256u << 10;

/// Writes `data` at `offset`, but for runs of zeros of at least shortest_hole_bytes. The file must
/// hold zeros there already and have its size. False with errno.
bool write_sparse_at(int fd, std::string_view data, std::uint64_t offset);

}  // namespace murder
