// Old releases taken away, with all that belongs to them.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "host/destination.hpp"

namespace murder {

struct Pruned {
  std::vector<std::string> removed;  ///< oldest first
  std::uint64_t freed_bytes = 0;     ///< of the filesystem, as far as can be told
};

/// Removes all but the newest `keep` releases (by when they were staged), with their packs,
/// torrents, manifests and transfer files. Never the live one, nor the one that rollback would go
/// to, nor one whose tag is being staged; what cannot be read as a release is let be.
///
/// A release is renamed to "TAG~", which no release is called, and then removed: after a crash it
/// is there or not, and the next call removes what is left. Takes the locks that it needs for each
/// release on its own; ends early when `stop` is requested. Throws Error{failed} naming what cannot
/// be removed.
Pruned prune(const Destination& destination, std::size_t keep, const std::stop_token& stop = {});

}  // namespace murder
