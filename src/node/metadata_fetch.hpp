// A torrent from its magnet link: peers are found through the trackers and addresses that the link
// names, and asked for the info dictionary (BEP 9) until one gives it. Runs a loop of its own,
// before there is a swarm to take part in.
#pragma once

#include <optional>
#include <string>

#include "base/endpoint.hpp"
#include "base/log.hpp"
#include "base/units.hpp"
#include "bittorrent/magnet.hpp"
#include "bittorrent/metainfo.hpp"

namespace murder::node {

struct MetadataFetchOptions {
  IpAddress listen = IpAddress::v4({0, 0, 0, 0});  ///< what is dialled from; nothing listens
  std::optional<Duration> timeout;                 ///< without any news; none: tried for ever
};

/// Blocks. The metainfo with the link's trackers (each a tier) and web seeds. Throws Error:
/// unreachable (nobody gave it within `timeout`), interrupted and terminated by signals, usage
/// (nobody to ask), and what parse_info throws for a torrent that murder does not carry.
Metainfo fetch_metadata(const Magnet& magnet, const MetadataFetchOptions& options, Log& log);

}  // namespace murder::node
