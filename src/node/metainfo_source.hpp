// Where a torrent comes from: a file, http://…, or the peers that a magnet link leads to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "bittorrent/metainfo.hpp"
#include "node/metadata_fetch.hpp"
#include "release/manifest.hpp"

namespace murder::node {

/// Throws Error: usage (no such file, a scheme that is not carried), unreachable (the server does
/// not answer), integrity (what came is not a torrent).
Metainfo load_metainfo(const std::string& source, Log& log);
/// A magnet link, too: fetch_metadata() says what that throws. `trackers` are asked beside the
/// link's own.
Metainfo load_metainfo(const std::string& source, const std::vector<std::string>& trackers,
                       const MetadataFetchOptions& options, Log& log);
/// Peers that the source itself names; none but of a magnet link.
std::vector<Endpoint> peers_of_source(const std::string& source);

/// "pack", "file" or "files", as events say it.
std::string payload_kind(const Metainfo& metainfo);

/// The pieces that hold the pack's manifest: fetched and seeded before all others. Empty for a raw
/// file.
std::vector<PieceIndex> manifest_pieces(const Metainfo& metainfo);

/// Regular files of a release, as events count them; each name of a hard link is one.
std::uint64_t count_files(const Manifest& manifest);

}  // namespace murder::node
