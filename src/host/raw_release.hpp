// Releases that are made of payloads without a manifest of their own: what a raw file and the files
// of other programs' torrents have in common.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

#include "base/digest.hpp"
#include "release/manifest.hpp"

namespace murder {

/// Reads a range of the payload, handing each part on with its offset in the range; returns the
/// SHA-256. Throws Error{failed} when the payload ends before. `on_part` may throw to give up.
Sha256Digest read_range(
    int fd, const std::filesystem::path& payload, std::uint64_t offset, std::uint64_t size,
    const std::function<void(std::span<const std::uint8_t>, std::uint64_t)>& on_part);

/// Gives the entries their places, as in a pack of these entries but for the frames' digests: no
/// frame is made or read, yet what is kept for `verify` has the one form that manifests have.
void lay_out(Manifest& manifest);

}  // namespace murder
