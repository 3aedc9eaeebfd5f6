// How far a peer is, as numbers and, when it ends before it is done, in words.
#pragma once

#include <cstdint>

#include "base/error.hpp"
#include "base/units.hpp"
#include "bittorrent/metainfo.hpp"
#include "events/event.hpp"
#include "node/swarm_node.hpp"

namespace murder::node {

/// Rates from one report to the next.
class ProgressMeter {
 public:
  explicit ProgressMeter(Instant now) : last_at_(now) {}
  events::Progress next(const SwarmNode& node, const Metainfo& metainfo,
                        std::uint64_t unpacked_bytes, Instant now);

 private:
  Instant last_at_;
  std::uint64_t received_ = 0;
  std::uint64_t uploaded_ = 0;
};

/// Error{unreachable}: nothing came for `timeout`; what is missing, and why it may be.
Error no_progress(const SwarmNode& node, const Metainfo& metainfo, Duration timeout);
/// Error{interrupted} or Error{terminated}.
Error ended_by(int signal, const SwarmNode& node, const Metainfo& metainfo);

}  // namespace murder::node
