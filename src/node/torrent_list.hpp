// Which torrents a tracker serves: those in a folder, or those that a file lists. Read again when
// it changes.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "base/digest.hpp"

namespace murder::node {

class TorrentList {
 public:
  /// A folder: its files *.torrent; a torrent that cannot be read is told to `warn` and left out.
  /// A file: an info-hash in hex a line, with # comments. Throws Error: failed (neither can be
  /// read), usage (a line that is none, with file and line).
  explicit TorrentList(std::filesystem::path path, std::function<void(const std::string&)> warn);
  /// Reads it again if it is another than it was. What cannot be read then is told, and the list
  /// stays what it was.
  void refresh();
  const std::set<InfoHash>& torrents() const { return torrents_; }

 private:
  std::set<InfoHash> read() const;
  std::string state() const;

  std::filesystem::path path_;
  std::function<void(const std::string&)> warn_;
  std::string state_;
  std::set<InfoHash> torrents_;
};

}  // namespace murder::node
