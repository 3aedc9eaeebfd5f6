// Whom a tracker serves: which addresses, and which torrents. No I/O.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/address_range.hpp"
#include "bittorrent/announce.hpp"

namespace murder::tracker {

struct Admission {
  std::vector<AddressRange> allowed;  ///< empty: every address that is not banned
  std::vector<AddressRange> banned;
  std::optional<std::set<InfoHash>> torrents;  ///< nullopt: every torrent

  /// Why this announce is not taken, as the client is told it; empty: it is. `remote` is where it
  /// came from; where the client would rather be reached has to do as well, for others are sent
  /// there.
  std::string refusal(const AnnounceRequest& request, const IpAddress& remote) const;
};

}  // namespace murder::tracker
