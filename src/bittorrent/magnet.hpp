// Magnet links (BEP 9, BEP 53 left out): a torrent named by its info-hash alone, and where to ask
// for the rest. No I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "base/endpoint.hpp"
#include "bittorrent/metainfo.hpp"

namespace murder {

struct Magnet {
  InfoHash info_hash;                  ///< xt=urn:btih:
  std::string name;                    ///< dn; for people
  std::vector<std::string> trackers;   ///< tr
  std::vector<std::string> web_seeds;  ///< ws
  std::vector<Endpoint> peers;         ///< x.pe
  /// Always in hexadecimal.
  std::string to_string() const;
  friend bool operator==(const Magnet&, const Magnet&) = default;
};

bool is_magnet(std::string_view text);

/// The info-hash in 40 hexadecimal digits or 32 of base 32; keys that it does not know are skipped.
/// Throws Error{usage}: no info-hash, one of BitTorrent v2 alone, a peer that is a name, more than
/// 64 of anything.
Magnet parse_magnet(std::string_view uri);

/// By which a torrent can be had from its trackers.
Magnet magnet_of(const Metainfo& metainfo);

}  // namespace murder
