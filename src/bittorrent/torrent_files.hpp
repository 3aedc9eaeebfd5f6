// The files of a torrent of several: where each lies in the payload and on disk. Read from the info
// dictionary (BEP 3; BEP 47 for padding, executables and symlinks); nothing that climbs gets past.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "bittorrent/bencode.hpp"

namespace murder {

/// A file of a torrent of several. The payload is these, one after the other.
struct TorrentFile {
  std::string path;  ///< components joined by "/": relative, no empty, "." or ".." among them
  std::uint64_t length = 0;
  std::uint64_t offset = 0;  ///< in the payload
  bool is_padding = false;   ///< zeros, so that the next file begins with a piece; on no disk
  bool is_executable = false;
  friend bool operator==(const TorrentFile&, const TorrentFile&) = default;
};

/// What keeps a torrent from being one that murder carries.
struct TorrentFault {
  ErrorKind kind = ErrorKind::integrity;
  std::string reason;
};

/// Why `name` is no name of a file or folder on any Linux.
std::optional<std::string> name_fault(std::string_view name);

/// From the value of "files". The paths but for those of padding are a tree: none twice, and none
/// where another needs a folder. Throws TorrentFault.
std::vector<TorrentFile> read_torrent_files(const bencode::Value& files);

}  // namespace murder
