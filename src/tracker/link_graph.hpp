// Who should be linked to whom: the tracker's plan of a swarm's connections.
//
// Between hosts it is a random graph of bounded, nearly equal degree. A newcomer dials half a
// degree of hosts and is dialled by those who come later. Partners are the less loaded half of a
// random handful, never simply the least loaded of all: those are always the latest arrivals, and
// that makes a chain in order of arrival, measured at 31 hops for 1,000 hosts where this graph has
// 6 (and a random regular one 5).
//
// Sources (seeders, stock peers that have something) have a fixed number of places, given to hosts
// as they come, spread over those that are expected, and given on when a host goes or needs it no
// more. Hosts dial them; only a seeder that finds hosts waiting dials those, so that they need not
// ask again to learn of it.
//
// Every operation is O(degree), whatever the size of the swarm. No I/O; randomness is handed in.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/random.hpp"
#include "tracker/slot_set.hpp"

namespace murder::tracker {

enum class NodeKind : std::uint8_t { host, seeder, stock_seed, stock_leecher };
inline constexpr std::size_t node_kinds = 4;

class LinkGraph {
 public:
  /// `degree`: links a host should have to other hosts; `source_degree`: places of a source;
  /// `expected_hosts`: how many are to come in all, 0 when nobody said.
  LinkGraph(std::uint32_t degree, std::uint32_t source_degree, std::uint32_t expected_hosts);

  bool contains(Slot slot) const;
  /// `links_before`: open connections that it has although this graph planned none of them (the
  /// tracker was restarted, the swarm was not).
  void add(Slot slot, NodeKind kind, std::uint32_t links_before);
  /// Its links end; the places that it had at sources are free.
  void remove(Slot slot);
  void set_kind(Slot slot, NodeKind kind);
  /// The open connections that this peer says it has.
  void report(Slot slot, std::uint32_t links);
  /// For a host that has everything: its places at sources go to others.
  void release_sources(Slot host);

  /// Whom this host is to dial now; most often nobody. A joining host, which was just added, gets
  /// half a degree of hosts and a source with a free place. Later ones get more when they report
  /// fewer links than that or were left with fewer by deaths: others than before if there are any,
  /// else the same again.
  std::vector<Slot> plan(Slot host, bool joining, Random& random);

  /// Which of the hosts that wait this seeder is to dial now: those without a seeder, as many as it
  /// has places for.
  std::vector<Slot> plan_for_seeder(Slot seeder, const SlotSet& waiting, Random& random);

  /// Planned links between `slot` and hosts.
  std::uint32_t host_links(Slot slot) const;

 private:
  struct Node {
    std::optional<NodeKind> kind;
    std::vector<Slot> links;  // oldest first
    std::array<std::uint32_t, node_kinds> links_to{};
    std::uint32_t reported = 0;
    std::uint32_t inherited = 0;          // links that nobody planned here
    std::uint32_t planned_at_report = 0;  // seeder: host links planned when it last reported
    bool lost_links = false;              // seeder: reports fewer links than were planned for it
  };

  Node& node(Slot slot) { return nodes_[slot.value()]; }
  const Node& node(Slot slot) const { return nodes_[slot.value()]; }
  std::uint32_t load(const Node& n) const;
  std::uint32_t most_links(NodeKind kind) const;
  bool linked(Slot a, Slot b) const;
  void link(Slot a, Slot b);
  void unlink(Slot a, Slot b);
  void refresh(Slot slot);
  std::uint32_t places_of_source() const;
  void plan_sources(Slot host, std::vector<Slot>& dial, Random& random);
  void plan_hosts(Slot host, bool joining, std::vector<Slot>& dial, Random& random);
  bool lacks_links(const Node& host) const;
  std::vector<Slot> forget_lost_links(Slot host, std::uint32_t room);
  std::vector<Slot> pick(const SlotSet& pool, Slot host, std::size_t want, std::uint32_t max_load,
                         const std::vector<Slot>& not_these, Random& random) const;
  template <class Suits>
  std::vector<Slot> pick_if(const SlotSet& pool, std::size_t want, const Suits& suits,
                            Random& random) const;

  std::uint32_t degree_;
  std::uint32_t half_degree_;
  std::uint32_t max_host_links_;
  std::uint32_t source_degree_;
  std::uint32_t expected_hosts_;
  std::size_t plans_since_join_ = 0;
  std::vector<Node> nodes_;                      // by slot
  std::array<SlotSet, node_kinds> all_;          // every node, by kind
  std::array<SlotSet, node_kinds> with_places_;  // those that may be given another link
};

}  // namespace murder::tracker
