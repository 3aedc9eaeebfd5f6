// Is what a host has what the source has? Asked of the files themselves, byte by byte, not of
// digests that murder made.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "release/scan.hpp"

namespace murder::cli {

/// How the tree at `other` (may be a symlink to a folder) differs from `source` in paths, types,
/// modes, contents and link targets; "bin/app: mode 0644, not 0755", at most `limit` of them.
/// Empty: in nothing. Whatever is in `other` counts, also what a pack would leave out. Ends early,
/// with what it has, when asked to stop. Error{failed} when something cannot be read.
std::vector<std::string> compare_tree(const SourceTree& source, const std::filesystem::path& other,
                                      std::stop_token stop = {}, std::size_t limit = 3);

/// The same for one file, whose mode does not count.
std::vector<std::string> compare_file(const std::filesystem::path& source,
                                      const std::filesystem::path& other,
                                      const std::stop_token& stop = {});

}  // namespace murder::cli
