#include "tracker/link_graph.hpp"

#include <algorithm>

namespace murder::tracker {
namespace {

constexpr std::uint32_t max_sources_of_a_kind = 4;  // that one host is given
constexpr std::uint32_t places_at_once = 8;         // of a source, whoever has come so far
constexpr std::size_t index(NodeKind kind) { return static_cast<std::size_t>(kind); }
constexpr std::size_t hosts = index(NodeKind::host);

bool contains_slot(const std::vector<Slot>& list, Slot slot) {
  return std::find(list.begin(), list.end(), slot) != list.end();
}

}  // namespace

LinkGraph::LinkGraph(std::uint32_t degree, std::uint32_t source_degree,
                     std::uint32_t expected_hosts)
    : degree_(std::clamp<std::uint32_t>(degree, 2, 1000)),
      half_degree_((degree_ + 1) / 2),
      max_host_links_(degree_ + 2),
      source_degree_(std::max<std::uint32_t>(source_degree, 1)),
      expected_hosts_(expected_hosts) {}

bool LinkGraph::contains(Slot slot) const {
  return slot.value() < nodes_.size() && node(slot).kind.has_value();
}

std::uint32_t LinkGraph::host_links(Slot slot) const {
  return contains(slot) ? node(slot).links_to[hosts] : 0;
}

std::uint32_t LinkGraph::load(const Node& n) const {
  const std::uint32_t known = n.links_to[hosts] + n.inherited;
  // A seeder's own count is old when a host has just died, and its stock links are in it.
  if (n.kind != NodeKind::host) return known;
  const auto to_sources = static_cast<std::uint32_t>(n.links.size()) - n.links_to[hosts];
  return std::max(known, n.reported - std::min(n.reported, to_sources));
}

std::uint32_t LinkGraph::most_links(NodeKind kind) const {
  return kind == NodeKind::host ? max_host_links_ : source_degree_;
}

void LinkGraph::refresh(Slot slot) {
  const Node& n = node(slot);
  SlotSet& places = with_places_[index(*n.kind)];
  if (load(n) < most_links(*n.kind))
    places.insert(slot);
  else
    places.erase(slot);
}

void LinkGraph::add(Slot slot, NodeKind kind, std::uint32_t links_before) {
  if (slot.value() >= nodes_.size()) nodes_.resize(slot.value() + std::size_t{1});
  Node& n = node(slot);
  n = Node{};
  n.kind = kind;
  n.inherited = std::min(links_before, most_links(kind));
  all_[index(kind)].insert(slot);
  refresh(slot);
}

void LinkGraph::remove(Slot slot) {
  if (!contains(slot)) return;
  while (!node(slot).links.empty()) unlink(slot, node(slot).links.back());
  const std::size_t kind = index(*node(slot).kind);
  all_[kind].erase(slot);
  with_places_[kind].erase(slot);
  node(slot) = Node{};
}

void LinkGraph::set_kind(Slot slot, NodeKind kind) {
  Node& n = node(slot);
  if (n.kind == kind) return;
  const std::size_t before = index(*n.kind);
  for (const Slot other : n.links) {
    --node(other).links_to[before];
    ++node(other).links_to[index(kind)];
  }
  all_[before].erase(slot);
  with_places_[before].erase(slot);
  n.kind = kind;
  all_[index(kind)].insert(slot);
  refresh(slot);
  for (const Slot other : n.links) refresh(other);
}

void LinkGraph::report(Slot slot, std::uint32_t links) {
  Node& n = node(slot);
  n.reported = links;
  n.inherited = std::min(n.inherited, links);
  // Only links planned before its last report can be missed: younger ones may still be dialling.
  n.lost_links = links < std::min(n.planned_at_report, n.links_to[hosts]);
  n.planned_at_report = n.links_to[hosts];
  refresh(slot);
}

void LinkGraph::release_sources(Slot host) {
  const std::vector<Slot> links = node(host).links;
  for (const Slot other : links)
    if (node(other).kind != NodeKind::host) unlink(host, other);
}

bool LinkGraph::linked(Slot a, Slot b) const { return contains_slot(node(a).links, b); }

void LinkGraph::link(Slot a, Slot b) {
  node(a).links.push_back(b);
  node(b).links.push_back(a);
  ++node(a).links_to[index(*node(b).kind)];
  ++node(b).links_to[index(*node(a).kind)];
  refresh(a);
  refresh(b);
}

void LinkGraph::unlink(Slot a, Slot b) {
  std::erase(node(a).links, b);
  std::erase(node(b).links, a);
  --node(a).links_to[index(*node(b).kind)];
  --node(b).links_to[index(*node(a).kind)];
  refresh(a);
  refresh(b);
}

std::vector<Slot> LinkGraph::plan(Slot host, bool joining, Random& random) {
  std::vector<Slot> dial;
  plans_since_join_ = joining ? 0 : plans_since_join_ + 1;
  plan_sources(host, dial, random);
  plan_hosts(host, joining, dial, random);
  return dial;
}

std::vector<Slot> LinkGraph::plan_for_seeder(Slot seeder, const SlotSet& waiting, Random& random) {
  const std::uint32_t taken = load(node(seeder));
  if (taken >= source_degree_) return {};
  std::vector<Slot> dial = pick_if(
      waiting, source_degree_ - taken,
      [this](Slot host) {
        return contains(host) && node(host).links_to[index(NodeKind::seeder)] == 0;
      },
      random);
  for (const Slot host : dial) link(seeder, host);
  return dial;
}

/// Of each source, for now: given out as the expected hosts come. The first to come are linked to
/// one another; if they had all the places, each piece would go round among them before the rest
/// saw it. When all have asked again and none has come since, nobody is waited for.
std::uint32_t LinkGraph::places_of_source() const {
  const std::uint64_t come = all_[hosts].size();
  if (come >= expected_hosts_ || plans_since_join_ > come) return source_degree_;
  const std::uint64_t share = source_degree_ * come / expected_hosts_ + 1;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(share, std::min(places_at_once, source_degree_), source_degree_));
}

void LinkGraph::plan_sources(Slot host, std::vector<Slot>& dial, Random& random) {
  const std::uint32_t places = places_of_source();
  for (const Slot other : node(host).links)
    if (node(other).kind == NodeKind::seeder && node(other).lost_links) dial.push_back(other);
  for (const NodeKind kind : {NodeKind::seeder, NodeKind::stock_seed, NodeKind::stock_leecher}) {
    if (kind == NodeKind::stock_leecher && !all_[index(NodeKind::seeder)].empty()) continue;
    // One an announce: by the next one the others have come for their first.
    if (node(host).links_to[index(kind)] >= max_sources_of_a_kind) continue;
    for (const Slot source : pick(with_places_[index(kind)], host, 1, places, {}, random)) {
      link(host, source);
      dial.push_back(source);
    }
  }
}

bool LinkGraph::lacks_links(const Node& host) const {
  const auto others = static_cast<std::uint32_t>(all_[hosts].size() - 1);
  const std::uint32_t known = host.links_to[hosts] + host.inherited;
  if (others >= half_degree_) return std::min(host.reported, known) < half_degree_;
  // So few hosts that the links to sources count.
  const auto to_sources = static_cast<std::uint32_t>(host.links.size()) - host.links_to[hosts];
  return known < others || host.reported < others + to_sources;
}

void LinkGraph::plan_hosts(Slot host, bool joining, std::vector<Slot>& dial, Random& random) {
  const bool lacking = joining ? node(host).reported < half_degree_ : lacks_links(node(host));
  const std::uint32_t own_load = load(node(host));
  std::vector<Slot> partners;
  if (lacking) {
    const std::size_t want = half_degree_;
    const std::vector<Slot> forgotten = forget_lost_links(host, half_degree_);
    partners = pick(with_places_[hosts], host, want, max_host_links_, forgotten, random);
    if (partners.size() < want) {
      std::vector<Slot> not_these = forgotten;
      not_these.insert(not_these.end(), partners.begin(), partners.end());
      const std::vector<Slot> full =
          pick(all_[hosts], host, want - partners.size(), UINT32_MAX, not_these, random);
      partners.insert(partners.end(), full.begin(), full.end());
    }
    if (partners.size() < want) {
      std::vector<Slot> again;
      for (const Slot other : node(host).links)
        if (node(other).kind == NodeKind::host) again.push_back(other);
      random.shuffle(again);
      again.resize(std::min(again.size(), want - partners.size()));
      dial.insert(dial.end(), again.begin(), again.end());
    }
  } else if (!joining && own_load + 2 < degree_) {
    // The latest arrivals were dialled by few: even that out among those who have room.
    partners = pick(with_places_[hosts], host, degree_ - own_load, degree_, {}, random);
  }
  for (const Slot partner : partners) {
    link(host, partner);
    dial.push_back(partner);
  }
}

/// Drops the oldest planned links of a host that says it lacks some, until `room` more fit. Which
/// ones it has lost nobody said.
std::vector<Slot> LinkGraph::forget_lost_links(Slot host, std::uint32_t room) {
  std::vector<Slot> forgotten;
  const Node& n = node(host);
  while (n.links_to[hosts] + room > max_host_links_) {
    const auto oldest = std::find_if(n.links.begin(), n.links.end(), [this](Slot other) {
      return node(other).kind == NodeKind::host;
    });
    forgotten.push_back(*oldest);
    unlink(host, forgotten.back());
  }
  return forgotten;
}

std::vector<Slot> LinkGraph::pick(const SlotSet& pool, Slot host, std::size_t want,
                                  std::uint32_t max_load, const std::vector<Slot>& not_these,
                                  Random& random) const {
  const auto suits = [&](Slot slot) {
    return slot != host && load(node(slot)) < max_load && !linked(host, slot) &&
           !contains_slot(not_these, slot);
  };
  return pick_if(pool, want, suits, random);
}

/// The less loaded half of a random handful of those that suit.
template <class Suits>
std::vector<Slot> LinkGraph::pick_if(const SlotSet& pool, std::size_t want, const Suits& suits,
                                     Random& random) const {
  const std::size_t handful = 2 * want;
  std::vector<Slot> found;
  const auto consider = [&](Slot slot) {
    if (suits(slot) && !contains_slot(found, slot)) found.push_back(slot);
  };
  if (pool.size() <= 4 * handful) {
    for (const Slot slot : pool.items()) consider(slot);
    random.shuffle(found);
    found.resize(std::min(found.size(), handful));
  } else {
    for (std::size_t tries = 4 * handful; tries > 0 && found.size() < handful; --tries)
      consider(pool.draw(random));
  }
  std::stable_sort(found.begin(), found.end(),
                   [this](Slot a, Slot b) { return load(node(a)) < load(node(b)); });
  found.resize(std::min(found.size(), want));
  return found;
}

}  // namespace murder::tracker
