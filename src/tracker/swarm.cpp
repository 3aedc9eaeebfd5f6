#include "tracker/swarm.hpp"

#include <algorithm>
#include <utility>

namespace murder::tracker {
namespace {

using std::chrono::seconds;

constexpr Duration quiet_before_complete = seconds(30);
constexpr std::uint32_t hosts_per_interval_second = 1000;
constexpr std::uint32_t stock_interval_s = 30;  // while somebody waits: newcomers are found soon
constexpr std::uint32_t idle_stock_interval_s = 120;
constexpr Duration stock_silence = seconds(660);  // rTorrent announces every 600 s at most
constexpr std::size_t stock_places_at_seeder = 2;
constexpr std::size_t seeders_told = 8;
constexpr std::size_t max_dial_back = 32;
constexpr std::uint32_t default_numwant = 50;
constexpr std::uint32_t max_numwant = 200;
constexpr std::size_t max_name_bytes = 253;
constexpr std::size_t max_name_notes = 1024;
constexpr std::size_t slowest_in_view = 10;

/// `want` different numbers below `bound`, in random order (Floyd's method).
std::vector<std::size_t> draw_different(std::size_t want, std::size_t bound, Random& random) {
  std::unordered_set<std::size_t> drawn;
  std::vector<std::size_t> result;
  want = std::min(want, bound);
  for (std::size_t i = bound - want; i < bound; ++i) {
    std::size_t number = random.below(i + 1);
    if (!drawn.insert(number).second) {
      number = i;
      drawn.insert(i);
    }
    result.push_back(number);
  }
  random.shuffle(result);
  return result;
}

}  // namespace

Swarm::Standing Swarm::standing_of_present(AnnounceRole role, std::uint64_t left, bool failed) {
  if (role == AnnounceRole::seeder) return Standing::seeder;
  if (role == AnnounceRole::stock)
    return left == 0 ? Standing::stock_complete : Standing::stock_waiting;
  if (failed) return Standing::host_failed;
  return left == 0 ? Standing::host_complete : Standing::host_waiting;
}

NodeKind Swarm::node_kind(Standing standing) {
  switch (standing) {
    case Standing::seeder:
      return NodeKind::seeder;
    case Standing::stock_waiting:
      return NodeKind::stock_leecher;
    case Standing::stock_complete:
      return NodeKind::stock_seed;
    default:
      return NodeKind::host;
  }
}

Swarm::Swarm(const RegistryOptions& options, Instant now)
    : options_(options),
      graph_(options.degree, options.seeder_degree, options.expect),
      quiet_since_(now),
      last_announce_(now) {}

Swarm::Swarm(const RegistryOptions& options, const SwarmState& state, Instant now)
    : Swarm(options, now) {
  downloads_ = state.downloads;
  most_left_ = state.most_left;
  shared_names_.insert(state.shared_names.begin(), state.shared_names.end());
  // Those who left first: where they were, another may be now.
  for (const bool gone : {true, false}) {
    for (const MemberState& remembered : state.members) {
      if (remembered.gone != gone || by_id_.size() >= max_members_per_swarm) continue;
      Member m;
      m.id = remembered.id;
      m.role = remembered.role;
      m.endpoint = remembered.endpoint;
      m.name = remembered.name.substr(0, max_name_bytes);
      m.left = remembered.left;
      m.links = remembered.links;
      m.was_waiting = remembered.was_waiting;
      m.is_stock_host = remembered.downloaded;
      m.last_seen = now;
      const bool name_is_identity =
          m.role == AnnounceRole::host && !m.name.empty() && shared_names_.count(m.name) == 0;
      const Slot slot = settle(std::move(m), name_is_identity);
      if (gone) {
        set_standing(slot, remembered.failed ? Standing::gone_failed : Standing::gone_complete,
                     now);
        continue;
      }
      set_standing(slot, standing_of_present(remembered.role, remembered.left, remembered.failed),
                   now);
      join_graph(slot, remembered.links);
      touch(slot, now);
    }
  }
}

SwarmState Swarm::state(const InfoHash& info_hash) const {
  SwarmState state;
  state.info_hash = info_hash;
  state.downloads = downloads_;
  state.most_left = most_left_;
  state.shared_names.assign(shared_names_.begin(), shared_names_.end());
  std::sort(state.shared_names.begin(), state.shared_names.end());
  for (const Member& m : members_) {
    if (!m.standing) continue;
    const bool is_failed =
        m.standing == Standing::host_failed || m.standing == Standing::gone_failed;
    state.members.push_back({.id = m.id,
                             .role = m.role,
                             .endpoint = m.endpoint,
                             .name = m.name,
                             .left = m.left,
                             .links = m.links,
                             .failed = is_failed,
                             .gone = !is_present(*m.standing),
                             .was_waiting = m.was_waiting,
                             .downloaded = m.is_stock_host});
  }
  return state;
}

AnnounceReply Swarm::announce(const AnnounceRequest& request, const Endpoint& endpoint, Instant now,
                              Random& random) {
  last_announce_ = now;
  std::optional<Slot> slot;
  if (const auto found = by_id_.find(request.peer_id); found != by_id_.end()) {
    slot = found->second;
    if (member(*slot).role != request.role) {
      forget(*slot, now);
      slot.reset();
    }
  }
  if (request.event == AnnounceEvent::stopped) {
    if (slot) {
      update(*slot, request, false, now);
      leave(*slot, now);
    }
    return reply(request, now);
  }

  const bool is_new = !slot;
  if (is_new)
    slot = admit(request, endpoint, now);
  else if (member(*slot).endpoint != endpoint)
    move(*slot, endpoint, now);
  if (!slot) {
    AnnounceReply refusal;
    refusal.failure_reason = "this swarm is full";
    return refusal;
  }
  const bool joins_graph = !graph_.contains(*slot);
  update(*slot, request, is_new, now);
  touch(*slot, now);

  AnnounceReply answer = reply(request, now);
  if (request.role == AnnounceRole::stock) {
    answer.peers = stock_peers(*slot, request, random);
  } else {
    answer.fleet->dial = whom_to_dial(*slot, joins_graph, random);
  }
  if (shared_names_.count(member(*slot).name) != 0)
    answer.warning = "several hosts call themselves " + member(*slot).name;
  return answer;
}

/// Each is known by the address that it announces from, of one family. Between two of different
/// families the tracker cannot know which of them has both, so that both are told to dial.
std::vector<Endpoint> Swarm::whom_to_dial(Slot slot, bool joins_graph, Random& random) {
  std::vector<Endpoint> dial = std::exchange(member(slot).dial_back, {});
  const Endpoint& own = member(slot).endpoint;
  for (const Slot partner : partners(slot, joins_graph, random)) {
    Member& other = member(partner);
    dial.push_back(other.endpoint);
    if (other.endpoint.address.is_v4() != own.address.is_v4() &&
        other.role != AnnounceRole::stock && other.dial_back.size() < max_dial_back)
      other.dial_back.push_back(own);
  }
  return dial;
}

/// Whom a murder peer is to dial. One that has everything waits to be dialled, unless it is a
/// seeder.
std::vector<Slot> Swarm::partners(Slot slot, bool joins_graph, Random& random) {
  const Standing standing = *member(slot).standing;
  if (standing == Standing::host_waiting) return graph_.plan(slot, joins_graph, random);
  if (standing != Standing::seeder) return {};
  std::vector<Slot> dial = graph_.plan_for_seeder(slot, those(Standing::host_waiting), random);
  // One that lacks something itself finds it at those who dial nobody any more.
  if (dial.empty() && member(slot).left > 0 && member(slot).links < options_.degree)
    dial = graph_.plan_for_seeder(slot, those(Standing::host_complete), random);
  return dial;
}

std::optional<Slot> Swarm::admit(const AnnounceRequest& request, const Endpoint& endpoint,
                                 Instant now) {
  Member newcomer;
  newcomer.id = request.peer_id;
  newcomer.role = request.role;
  newcomer.endpoint = endpoint;
  if (request.role != AnnounceRole::stock)
    newcomer.name = request.host_name.substr(0, max_name_bytes);

  if (const auto note = replaced_by_name_.find(request.peer_id); note != replaced_by_name_.end()) {
    // Its name was given to another, and yet it lives: the name is no identity.
    if (shared_names_.size() >= max_name_notes) shared_names_.clear();
    shared_names_.insert(note->second);
    replaced_by_name_.erase(note);
  }

  const bool name_is_identity = request.role == AnnounceRole::host && !newcomer.name.empty() &&
                                shared_names_.count(newcomer.name) == 0;
  std::vector<Slot> former;
  if (const auto same = by_endpoint_.find(endpoint); same != by_endpoint_.end())
    former.push_back(same->second);
  if (name_is_identity) {
    const auto same = by_name_.find(newcomer.name);
    if (same != by_name_.end() && (former.empty() || former.front() != same->second)) {
      former.push_back(same->second);
      if (replaced_by_name_.size() >= max_name_notes) replaced_by_name_.clear();
      replaced_by_name_.emplace(member(same->second).id, newcomer.name);
    }
  }
  if (former.empty() && by_id_.size() >= max_members_per_swarm) return std::nullopt;
  for (const Slot other : former) {
    newcomer.was_waiting |= member(other).was_waiting;
    newcomer.is_stock_host |= member(other).is_stock_host;
    supersede(other, request.role, now);
  }

  return settle(std::move(newcomer), name_is_identity);
}

Slot Swarm::settle(Member newcomer, bool name_is_identity) {
  Slot slot(static_cast<std::uint32_t>(members_.size()));
  if (free_slots_.empty()) {
    members_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  newcomer.generation = member(slot).generation;
  by_id_[newcomer.id] = slot;
  by_endpoint_[newcomer.endpoint] = slot;
  if (name_is_identity) by_name_[newcomer.name] = slot;
  member(slot) = std::move(newcomer);
  return slot;
}

/// Somebody else is where `former` was, or is who it was.
void Swarm::supersede(Slot former, AnnounceRole by, Instant now) {
  const auto standing = member(former).standing;
  const bool has_all = standing == Standing::host_complete || standing == Standing::gone_complete;
  // A host that has all of it and then seeds it is still a host that has it.
  if (by == AnnounceRole::seeder && has_all)
    leave(former, now);
  else
    forget(former, now);
}

void Swarm::move(Slot slot, const Endpoint& endpoint, Instant now) {
  if (const auto other = by_endpoint_.find(endpoint); other != by_endpoint_.end())
    supersede(other->second, member(slot).role, now);
  const auto before = by_endpoint_.find(member(slot).endpoint);
  if (before != by_endpoint_.end() && before->second == slot) by_endpoint_.erase(before);
  by_endpoint_[endpoint] = slot;
  member(slot).endpoint = endpoint;
}

void Swarm::update(Slot slot, const AnnounceRequest& request, bool is_new, Instant now) {
  Member& m = member(slot);
  m.left = request.left;
  m.links = request.links;
  m.last_seen = now;

  if (request.role == AnnounceRole::host) most_left_ = std::max(most_left_, request.left);
  const Standing standing = standing_of_present(request.role, request.left, request.failed);
  if (standing == Standing::host_waiting || standing == Standing::stock_waiting) {
    m.was_waiting = true;
  } else if (standing == Standing::host_complete || standing == Standing::stock_complete) {
    const bool has_just_completed =
        m.was_waiting || (is_new && request.event == AnnounceEvent::completed);
    if (has_just_completed) {
      ++downloads_;
      m.was_waiting = false;
      if (request.role == AnnounceRole::stock) m.is_stock_host = true;
    }
  }
  set_standing(slot, standing, now);
  join_graph(slot, request.event == AnnounceEvent::started ? 0 : request.links);
}

/// Its place in the graph follows from where it stands. `links_before`: that a newcomer to the
/// graph has already.
void Swarm::join_graph(Slot slot, std::uint32_t links_before) {
  const Member& m = member(slot);
  const Standing standing = *m.standing;
  if (standing == Standing::host_failed) {
    graph_.remove(slot);
    return;
  }
  const NodeKind kind = node_kind(standing);
  if (!graph_.contains(slot)) graph_.add(slot, kind, links_before);
  graph_.set_kind(slot, kind);
  graph_.report(slot, m.links);
  if (standing == Standing::host_complete) graph_.release_sources(slot);
}

/// Present no longer; kept only if it counts among the complete or the failed.
void Swarm::leave(Slot slot, Instant now) {
  const Member& m = member(slot);
  switch (*m.standing) {
    case Standing::host_complete:
    case Standing::gone_complete:
      set_standing(slot, Standing::gone_complete, now);
      break;
    case Standing::host_failed:
    case Standing::gone_failed:
      set_standing(slot, Standing::gone_failed, now);
      break;
    case Standing::stock_complete:
      if (!m.is_stock_host) return forget(slot, now);
      set_standing(slot, Standing::gone_complete, now);
      break;
    case Standing::seeder:
    case Standing::host_waiting:
    case Standing::stock_waiting:
      return forget(slot, now);
  }
  graph_.remove(slot);
}

void Swarm::forget(Slot slot, Instant now) {
  set_standing(slot, std::nullopt, now);
  graph_.remove(slot);
  const Member& m = member(slot);
  by_id_.erase(m.id);
  if (const auto it = by_endpoint_.find(m.endpoint); it != by_endpoint_.end() && it->second == slot)
    by_endpoint_.erase(it);
  if (const auto it = by_name_.find(m.name); it != by_name_.end() && it->second == slot)
    by_name_.erase(it);
  Member vacant;
  vacant.generation = m.generation + 1;
  member(slot) = std::move(vacant);
  free_slots_.push_back(slot);
}

void Swarm::set_standing(Slot slot, std::optional<Standing> standing, Instant now) {
  Member& m = member(slot);
  const std::uint32_t leechers_before = leechers();
  if (m.standing) {
    by_standing_[static_cast<std::size_t>(*m.standing)].erase(slot);
    if (m.standing == Standing::stock_complete && m.counted_as_host) --stock_hosts_;
  }
  m.standing = standing;
  m.counted_as_host = standing == Standing::stock_complete && m.is_stock_host;
  if (m.counted_as_host) ++stock_hosts_;
  if (standing) by_standing_[static_cast<std::size_t>(*standing)].insert(slot);
  if (standing != Standing::stock_waiting) std::erase(stock_at_seeder_, slot);
  if (leechers_before > 0 && leechers() == 0) quiet_since_ = now;
}

void Swarm::touch(Slot slot, Instant now) {
  Member& m = member(slot);
  Duration silence = 3 * seconds(interval_s(m.role)) + seconds(10);
  if (m.role == AnnounceRole::stock) silence = std::max(silence, stock_silence);
  m.deadline = now + silence;
  if (m.is_queued && m.queued_at <= m.deadline) return;
  deadlines_.push({m.deadline, slot, m.generation});
  m.queued_at = m.deadline;
  m.is_queued = true;
}

void Swarm::expire(Instant now) {
  while (!deadlines_.empty() && deadlines_.top().at <= now) {
    const Deadline due = deadlines_.top();
    deadlines_.pop();
    Member& m = member(due.slot);
    if (m.generation != due.generation || !m.is_queued || m.queued_at != due.at) continue;
    m.is_queued = false;
    if (!is_present(*m.standing)) continue;
    if (m.deadline > now) {
      deadlines_.push({m.deadline, due.slot, m.generation});
      m.queued_at = m.deadline;
      m.is_queued = true;
    } else {
      leave(due.slot, now);
    }
  }
}

std::uint32_t Swarm::complete_hosts() const {
  return count(Standing::host_complete) + count(Standing::gone_complete) + stock_hosts_;
}
std::uint32_t Swarm::failed_hosts() const {
  return count(Standing::host_failed) + count(Standing::gone_failed);
}
std::uint32_t Swarm::hosts() const {
  return count(Standing::host_waiting) + complete_hosts() + failed_hosts();
}
std::uint32_t Swarm::leechers() const {
  return count(Standing::host_waiting) + count(Standing::stock_waiting);
}
/// Who serve what they have and have not got everything yet.
std::uint32_t Swarm::lacking_seeders() const {
  const std::vector<Slot>& seeders = those(Standing::seeder).items();
  return static_cast<std::uint32_t>(std::count_if(
      seeders.begin(), seeders.end(), [this](Slot slot) { return member(slot).left > 0; }));
}
bool Swarm::is_deserted() const {
  return by_id_.size() ==
         those(Standing::gone_complete).size() + those(Standing::gone_failed).size();
}

bool Swarm::is_complete(Instant now) const {
  if (lacking_seeders() > 0) return false;
  if (options_.expect > 0)
    return complete_hosts() + failed_hosts() >= options_.expect &&
           count(Standing::host_waiting) == 0;
  return leechers() == 0 && complete_hosts() > 0 && now - quiet_since_ >= quiet_before_complete;
}

std::uint32_t Swarm::interval_s(AnnounceRole role) const {
  if (role == AnnounceRole::stock) return leechers() > 0 ? stock_interval_s : idle_stock_interval_s;
  const std::uint32_t present =
      count(Standing::host_waiting) + count(Standing::host_complete) + count(Standing::host_failed);
  return std::max<std::uint32_t>(1, present / hosts_per_interval_second);
}

AnnounceReply Swarm::reply(const AnnounceRequest& request, Instant now) const {
  AnnounceReply answer;
  answer.interval_s = interval_s(request.role);
  answer.complete = count(Standing::seeder) - lacking_seeders() + count(Standing::host_complete) +
                    count(Standing::stock_complete);
  answer.incomplete = leechers() + lacking_seeders();
  if (request.role == AnnounceRole::stock) {
    answer.min_interval_s = answer.interval_s / 2;
  } else {
    answer.min_interval_s = 1;
    answer.fleet = FleetState{.dial = {},
                              .expected = options_.expect,
                              .hosts = hosts(),
                              .complete_hosts = complete_hosts(),
                              .swarm_complete = is_complete(now)};
  }
  return answer;
}

/// While murder hosts wait, the seeder's link is theirs: two stock clients in all may have some.
bool Swarm::may_meet_seeders(Slot slot) {
  if (count(Standing::host_waiting) == 0) return true;
  if (std::find(stock_at_seeder_.begin(), stock_at_seeder_.end(), slot) != stock_at_seeder_.end())
    return true;
  if (stock_at_seeder_.size() >= stock_places_at_seeder) return false;
  stock_at_seeder_.push_back(slot);
  return true;
}

std::vector<AnnouncedPeer> Swarm::stock_peers(Slot slot, const AnnounceRequest& request,
                                              Random& random) {
  std::vector<AnnouncedPeer> peers;
  const std::size_t want = std::min(request.numwant.value_or(default_numwant), max_numwant);
  const auto tell = [&](Slot other) {
    AnnouncedPeer peer{member(other).endpoint, std::nullopt};
    if (!request.compact) peer.peer_id = member(other).id;
    peers.push_back(peer);
  };

  std::vector<const SlotSet*> groups{&those(Standing::host_waiting),
                                     &those(Standing::stock_waiting)};
  // One who has only a magnet link says that nothing is left, as one who has everything does: it
  // does not know yet how much there is.
  const bool may_lack_all = request.left == 0 && request.uploaded == 0 && request.downloaded == 0 &&
                            request.event != AnnounceEvent::completed;
  if (request.left > 0 || may_lack_all) {
    groups.push_back(&those(Standing::host_complete));
    groups.push_back(&those(Standing::stock_complete));
    const std::vector<Slot>& seeders = those(Standing::seeder).items();
    if (want > 0 && !seeders.empty() && may_meet_seeders(slot))
      for (const std::size_t i :
           draw_different(std::min(want, seeders_told), seeders.size(), random))
        tell(seeders[i]);
  }
  std::size_t total = 0;
  for (const SlotSet* group : groups) total += group->size();
  // One more than wanted: the asker may be among them.
  for (std::size_t number : draw_different(want - peers.size() + 1, total, random)) {
    auto group = groups.begin();
    while (number >= (*group)->size()) number -= (*group++)->size();
    const Slot other = (*group)->items()[number];
    if (other != slot && peers.size() < want) tell(other);
  }
  return peers;
}

ScrapeEntry Swarm::scrape(const InfoHash& info_hash) const {
  return {.info_hash = info_hash,
          .complete = count(Standing::seeder) - lacking_seeders() + count(Standing::host_complete) +
                      count(Standing::stock_complete),
          .downloaded = downloads_,
          .incomplete = leechers() + lacking_seeders()};
}

SwarmView Swarm::view(const InfoHash& info_hash, Instant now) const {
  SwarmView view;
  view.info_hash = info_hash;
  view.size_bytes = most_left_;
  view.seeders = count(Standing::seeder);
  view.hosts = hosts();
  view.complete_hosts = complete_hosts();
  view.failed_hosts = failed_hosts();
  view.stock_peers = count(Standing::stock_waiting) + count(Standing::stock_complete);
  view.swarm_complete = is_complete(now);

  std::vector<Slot> slots;
  for (const Standing standing : {Standing::host_waiting, Standing::host_failed,
                                  Standing::gone_failed, Standing::host_complete})
    slots.insert(slots.end(), those(standing).items().begin(), those(standing).items().end());
  const auto end =
      slots.begin() + static_cast<std::ptrdiff_t>(std::min(slots.size(), slowest_in_view));
  std::partial_sort(slots.begin(), end, slots.end(), [this](Slot a, Slot b) {
    const Member& first = member(a);
    const Member& second = member(b);
    return first.left != second.left ? first.left > second.left : first.name < second.name;
  });
  for (auto slot = slots.begin(); slot != end; ++slot) {
    const Member& m = member(*slot);
    view.slowest.push_back(
        {.name = m.name,
         .endpoint = m.endpoint,
         .left = m.left,
         .links = m.links,
         .complete = m.standing == Standing::host_complete,
         .failed = m.standing == Standing::host_failed || m.standing == Standing::gone_failed,
         .silent_for = now - m.last_seen});
  }
  return view;
}

}  // namespace murder::tracker
