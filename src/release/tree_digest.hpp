// What a tree on disk is, in one number: the digest that its manifest would have if it were packed.
#pragma once

#include <stop_token>

#include "release/manifest.hpp"
#include "release/scan.hpp"

namespace murder {

/// The manifest of a tree as it lies on disk, without frames and under MtimePolicy::source. Reads
/// every file, one after another. Throws Error{failed}: cannot be read, a file was changed since
/// the tree was scanned, `stop` was requested.
Manifest manifest_of_tree(SourceTree tree, const std::stop_token& stop = {});

}  // namespace murder
