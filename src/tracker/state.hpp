// What a tracker remembers over a restart, and the file that it is kept in: bencode, as
// docs/tracker-protocol.md describes it. No I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bittorrent/announce.hpp"

namespace murder::tracker {

struct MemberState {
  PeerId id;
  AnnounceRole role = AnnounceRole::stock;
  Endpoint endpoint;
  std::string name = {};  ///< as its announce said it; empty: it said none
  std::uint64_t left = 0;
  std::uint32_t links = 0;
  bool failed = false;
  bool gone = false;         ///< left, and counts still: it has everything, or it failed
  bool was_waiting = false;  ///< lacked something since it last had everything, or ever
  bool downloaded = false;   ///< a stock client that got everything through this tracker
  friend bool operator==(const MemberState&, const MemberState&) = default;
};

struct SwarmState {
  InfoHash info_hash;
  std::uint32_t downloads = 0;
  std::uint64_t most_left = 0;                 ///< of a host, ever
  std::vector<std::string> shared_names = {};  ///< of several hosts: they tell none of them apart
  std::vector<MemberState> members = {};
  friend bool operator==(const SwarmState&, const SwarmState&) = default;
};

using RegistryState = std::vector<SwarmState>;

std::string encode_state(const RegistryState& state);
/// What was encoded, and no torrent, peer or endpoint twice. Throws Error{failed} "cannot read
/// SOURCE: …" with the way out.
RegistryState parse_state(std::string_view bytes, std::string_view source);

}  // namespace murder::tracker
