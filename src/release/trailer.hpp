// The end of a pack: the manifest in a zstd skippable frame, and in another one the 64 bytes that
// say where it is. No I/O. docs/pack-format.md has the layout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.hpp"

namespace murder {

/// Magic numbers of the skippable frames (zstd reserves 0x184D2A50 to 0x184D2A5F).
inline constexpr std::uint32_t manifest_frame_magic = 0x184D2A5A;
inline constexpr std::uint32_t trailer_frame_magic = 0x184D2A5B;
inline constexpr std::size_t skippable_header_bytes = 8;
inline constexpr std::size_t trailer_bytes = 64;

struct Trailer {
  std::uint64_t manifest_offset = 0;  ///< of the stored manifest, behind its skippable header
  std::uint64_t manifest_length = 0;
  Sha256Digest manifest_sha256;  ///< of the stored bytes
  friend bool operator==(const Trailer&, const Trailer&) = default;
};

/// What comes before the content of a skippable frame.
std::string skippable_header(std::uint32_t magic, std::uint32_t content_bytes);

/// The trailer's 64 bytes.
std::string encode_trailer(const Trailer& trailer);
/// From a pack's last 64 bytes. Throws Error{integrity} naming `source` when they are none, or when
/// the manifest that they speak of would not lie directly before them in a pack of `pack_size`.
Trailer decode_trailer(std::string_view raw, std::uint64_t pack_size, std::string_view source);

}  // namespace murder
