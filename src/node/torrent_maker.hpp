// `murder pack`: a folder becomes a pack and its torrent; a file becomes a torrent alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bittorrent/metainfo.hpp"
#include "events/event.hpp"
#include "release/pack.hpp"

namespace murder::node {

struct PackRequest {
  std::filesystem::path source;
  std::filesystem::path output;  ///< FILE.tar.zst, or FILE.torrent for a file
  std::string tag;               ///< empty: from the content
  std::vector<std::string> trackers;
  std::vector<std::string> web_seeds;    ///< URLs, BEP 19
  std::uint64_t piece_length_bytes = 0;  ///< 0: from the size
  PackOptions options;
};

/// Throws Error: usage (no such source, a bad tag, an output name that does not fit), failed
/// (unreadable, no room).
events::Packed make_release(const PackRequest& request);

/// Hashes `payload` on all cores into the metainfo's pieces (both digests).
void hash_pieces(const std::filesystem::path& payload, Metainfo& metainfo);

}  // namespace murder::node
