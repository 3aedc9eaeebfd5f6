// Old releases taken away, with all that belongs to them.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "host/destination.hpp"

namespace murder {

struct Pruned {
  std::vector<std::string> removed;  ///< oldest first; then tags that had no release any more
  std::uint64_t freed_bytes = 0;     ///< of the filesystem, as far as can be told
};

/// Removes all but the newest `keep` releases (by when they were staged), with their packs,
/// torrents, manifests and transfer files. Never the live one, nor the one that rollback would go
/// to, nor one whose tag is being staged; what cannot be read as a release is let be.
///
/// Of packs whose release is not there (another tool moved or removed it, or its transfer was
/// broken off for good) the newest `keep` stay as well, by when they were last written or staged
/// from: the same release can be staged again without fetching it.
///
/// A release is renamed to "TAG~", which no release is called, and then removed: after a crash it
/// is there or not, and the next call removes what is left. Takes the locks that it needs for each
/// release on its own; ends early when `stop` is requested. Throws Error{failed} naming what cannot
/// be removed.
Pruned prune(const Destination& destination, std::size_t keep, const std::stop_token& stop = {});

}  // namespace murder
