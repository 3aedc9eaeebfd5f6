// One torrent at the tracker: its members, what each has, when it is complete, and the answer to
// each announce. Soft state: after a restart announces alone bring back everybody who is still
// there, and state() those who are not. No I/O; time and randomness are handed in.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/random.hpp"
#include "base/units.hpp"
#include "bittorrent/announce.hpp"
#include "tracker/link_graph.hpp"
#include "tracker/registry.hpp"
#include "tracker/slot_set.hpp"
#include "tracker/state.hpp"

namespace murder::tracker {

inline constexpr std::size_t max_members_per_swarm = 100'000;

struct DigestHash {
  template <std::size_t N, class Tag>
  std::size_t operator()(const Digest<N, Tag>& digest) const noexcept {
    return std::hash<std::string_view>()(digest.view());
  }
};

class Swarm {
 public:
  Swarm(const RegistryOptions& options, Instant now);
  /// As it was: who was present then has as long to announce again as if it had just done so.
  Swarm(const RegistryOptions& options, const SwarmState& state, Instant now);

  /// `endpoint`: where others reach this peer.
  AnnounceReply announce(const AnnounceRequest& request, const Endpoint& endpoint, Instant now,
                         Random& random);
  /// murder peers silent for 3 intervals and 10 s are gone; stock clients, some of which announce
  /// every 10 minutes whatever they are told, after 11 minutes. O(those gone).
  void expire(Instant now);
  ScrapeEntry scrape(const InfoHash& info_hash) const;
  SwarmView view(const InfoHash& info_hash, Instant now) const;
  SwarmState state(const InfoHash& info_hash) const;
  /// No member is present.
  bool is_deserted() const;
  Instant last_announce() const { return last_announce_; }

 private:
  /// Where a member stands. Who is gone is kept only to be counted, and never counted twice.
  enum class Standing : std::uint8_t {
    seeder,
    host_waiting,
    host_complete,
    host_failed,
    stock_waiting,
    stock_complete,
    gone_complete,
    gone_failed,
  };
  static constexpr std::size_t standings = 8;

  struct Member {
    PeerId id;
    AnnounceRole role = AnnounceRole::stock;
    Endpoint endpoint;
    std::string name;
    std::vector<Endpoint> dial_back;  // who were told to dial it and may be unable to
    std::uint64_t left = 0;
    std::uint32_t links = 0;
    std::optional<Standing> standing;
    bool was_waiting = false;      // since it last completed, or ever
    bool is_stock_host = false;    // a stock client that downloaded all of it: a host, in effect
    bool counted_as_host = false;  // in stock_hosts_
    Instant last_seen;
    Instant deadline;   // gone if silent until then
    Instant queued_at;  // when the queue of deadlines looks at it next
    bool is_queued = false;
    std::uint32_t generation = 0;  // tells this user of the slot from earlier ones
  };
  struct Deadline {
    Instant at;
    Slot slot;
    std::uint32_t generation;
    bool operator>(const Deadline& other) const { return at > other.at; }
  };

  Member& member(Slot slot) { return members_[slot.value()]; }
  const Member& member(Slot slot) const { return members_[slot.value()]; }
  const SlotSet& those(Standing standing) const {
    return by_standing_[static_cast<std::size_t>(standing)];
  }
  std::uint32_t count(Standing standing) const {
    return static_cast<std::uint32_t>(those(standing).size());
  }
  static Standing standing_of_present(AnnounceRole role, std::uint64_t left, bool failed);
  static NodeKind node_kind(Standing standing);
  static bool is_present(Standing standing) {
    return standing != Standing::gone_complete && standing != Standing::gone_failed;
  }

  std::vector<Slot> partners(Slot slot, bool joins_graph, Random& random);
  std::vector<Endpoint> whom_to_dial(Slot slot, bool joins_graph, Random& random);
  std::optional<Slot> admit(const AnnounceRequest& request, const Endpoint& endpoint, Instant now);
  void supersede(Slot former, AnnounceRole by, Instant now);
  void move(Slot slot, const Endpoint& endpoint, Instant now);
  void update(Slot slot, const AnnounceRequest& request, bool is_new, Instant now);
  Slot settle(Member newcomer, bool name_is_identity);
  void join_graph(Slot slot, std::uint32_t links_before);
  void leave(Slot slot, Instant now);
  void forget(Slot slot, Instant now);
  void set_standing(Slot slot, std::optional<Standing> standing, Instant now);
  void touch(Slot slot, Instant now);

  std::uint32_t hosts() const;
  std::uint32_t complete_hosts() const;
  std::uint32_t failed_hosts() const;
  std::uint32_t leechers() const;
  std::uint32_t lacking_seeders() const;
  bool is_complete(Instant now) const;
  std::uint32_t interval_s(AnnounceRole role) const;
  AnnounceReply reply(const AnnounceRequest& request, Instant now) const;
  std::vector<AnnouncedPeer> stock_peers(Slot slot, const AnnounceRequest& request, Random& random);
  bool may_meet_seeders(Slot slot);

  const RegistryOptions options_;
  LinkGraph graph_;
  std::vector<Member> members_;  // by slot
  std::vector<Slot> free_slots_;
  std::unordered_map<PeerId, Slot, DigestHash> by_id_;
  std::unordered_map<Endpoint, Slot> by_endpoint_;
  std::unordered_map<std::string, Slot> by_name_;  // hosts only
  // A name is taken for a host's identity until two who use it are seen to live.
  std::unordered_map<PeerId, std::string, DigestHash> replaced_by_name_;
  std::unordered_set<std::string> shared_names_;
  std::array<SlotSet, standings> by_standing_;
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;
  std::vector<Slot> stock_at_seeder_;  // who may know the seeder while hosts wait
  std::uint32_t stock_hosts_ = 0;      // present stock clients that count as complete hosts
  std::uint32_t downloads_ = 0;
  std::uint64_t most_left_ = 0;  // of a host, ever
  Instant quiet_since_;          // no leecher since then; means nothing while there is one
  Instant last_announce_;
};

}  // namespace murder::tracker
