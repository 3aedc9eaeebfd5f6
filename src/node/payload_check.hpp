// Before something is seeded: is it what its torrent says?
#pragma once

#include <stop_token>

#include "bittorrent/metainfo.hpp"
#include "node/payload.hpp"

namespace murder::node {

/// Reads all of it. Throws Error{integrity} naming the first byte that is wrong and the way out,
/// Error{failed} when `stop` was requested.
void check_payload(const Metainfo& metainfo, const Payload& payload,
                   const std::stop_token& stop = {});

}  // namespace murder::node
