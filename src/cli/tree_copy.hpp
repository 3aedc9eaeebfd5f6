// A copy of what is to be packed: the next release of a demo, before its change.
#pragma once

#include <filesystem>
#include <functional>

#include "release/scan.hpp"

namespace murder::cli {

/// Makes the folder `to` with all entries of `source` in it, their types, modes, contents and link
/// targets; now and then it calls `meanwhile`, which may throw. Error{failed} naming what cannot be
/// read or written.
void copy_tree(const SourceTree& source, const std::filesystem::path& to,
               const std::function<void()>& meanwhile);

}  // namespace murder::cli
