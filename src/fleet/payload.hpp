// The release that is deployed, on this machine's disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/file.hpp"
#include "bittorrent/metainfo.hpp"
#include "orders/orders.hpp"

namespace murder::fleet {

struct Payload {
  Metainfo metainfo;
  std::string torrent;  ///< as encode_metainfo wrote it
  std::string torrent_path;
  int fd = -1;  ///< of the pack or file
  std::string path;
  std::string state;                           ///< of that file, as it was when it was opened
  std::optional<orders::Placement> placement;  ///< of a copy, but for the target
};

/// A pack or raw file with its torrent, on this machine's disk.
struct PackedRelease {
  std::string payload_path;
  std::string torrent_path;
};

/// What a payload's files are: opened, `fd` keeps the payload open. Throws Error.
Payload open_payload(const PackedRelease& packed, UniqueFd& fd);

/// Size and time of the last change of a file, to be compared; throws Error for what cannot be
/// asked.
std::string state_of(int fd, const std::string& path);

/// What to say of a payload that is no more what was packed.
std::string describe_change(const Payload& payload);

}  // namespace murder::fleet
