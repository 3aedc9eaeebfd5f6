// What a manifest may hold at most, so that reading one takes bounded memory. The packer refuses a
// tree beyond these, so that no host meets one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace murder {

/// Linux's PATH_MAX without its NUL: a longer path cannot be opened in one go.
inline constexpr std::size_t max_path_bytes = 4095;
inline constexpr std::size_t max_link_target_bytes = 4095;
/// Symlinks have no mode of their own on Linux.
inline constexpr std::uint32_t symlink_mode = 0777;
inline constexpr std::uint64_t max_entries = 4u << 20;
inline constexpr std::uint64_t max_manifest_body_bytes = 1u << 30;
inline constexpr std::uint64_t max_frame_raw_bytes = 64u << 20;
/// What no zstd encoder goes beyond for so many bytes.
constexpr std::uint64_t max_stored_bytes(std::uint64_t raw_bytes) {
  return raw_bytes + raw_bytes / 128 + 1024;
}

}  // namespace murder
