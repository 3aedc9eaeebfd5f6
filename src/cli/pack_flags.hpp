// The flags that say how a folder becomes a release.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "node/torrent_maker.hpp"

namespace murder::cli {

struct PackFlags {
  std::optional<std::string> tag;
  std::vector<std::string> exclude;
  bool include_vcs = false;
  std::string mtime;
  std::string piece_length;

  void add_to(CLI::App& command);
  /// All but source, output and trackers. Its warnings go to the reporter, on the thread that
  /// packs. Error{usage} for values that cannot be used.
  node::PackRequest request(Context& context) const;
};

}  // namespace murder::cli
