// What no host says by itself, looked after for them all while they stage: an origin that is gone
// or out of reach, hosts that the swarm does not reach, hosts that have gone silent.
//
// How long is patience: by default a silent host is asked after 3 s whether it is there and given
// up as lost after 10 s (--connect-timeout); when all others are ready, and these only wait for it,
// after 5 s, and it then has 5 s more to come back.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>
#include <utility>

#include "base/error.hpp"
#include "fleet/staging.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

constexpr Duration watch_every = std::chrono::milliseconds(200);
/// A host without a link to any other after so long is fed over its session.
constexpr Duration cut_off_after = std::chrono::seconds(5);
constexpr Duration tracker_silent_for = std::chrono::seconds(4);
constexpr Duration patience_with_answers = std::chrono::seconds(2);
/// A transfer says something twice a second.
constexpr Duration heard_lately = std::chrono::seconds(2);
/// The host itself gives up before.
constexpr Duration slack = std::chrono::seconds(30);
constexpr Duration feed_again_after = std::chrono::seconds(1);

Instant now() { return std::chrono::steady_clock::now(); }

bool is_ready(const Member& member) {
  return member.report.state == HostState::staged || member.report.state == HostState::unchanged;
}

/// "host-04", "host-04 and 2 more"
std::string counted_hosts(const std::vector<Member*>& members) {
  const std::string& first = members.front()->host.name;
  return members.size() == 1 ? first : fmt::format("{} and {} more", first, members.size() - 1);
}

}  // namespace

/// Of the host that all others wait for, be it the origin or the last one.
Duration Staging::silence() const { return fleet_.options().ssh.connect_timeout / 2; }

/// Somebody but that one is heard: this machine is on its network.
bool Staging::hears_others(const Member* but, Instant t) const {
  return std::ranges::any_of(fleet_.members(), [&](const auto& member) {
    return member.get() != but && member->is_connected() &&
           t - member->session->heard_at() < heard_lately;
  });
}

asio::awaitable<void> Staging::watch_hosts() {
  while (!over()) {
    co_await sleep_for(fleet_.io(), watch_every);
    if (over() || !payload_) continue;
    const Instant t = now();
    if (origin_.swarm_is_closed())
      for (Member* member : fleet_.all())
        if (member->report.state == HostState::staging && member != origin_.host())
          cut_off(*member);
    for (Member* member : fleet_.connected()) {
      if (member->report.state != HostState::staging || !member->transfer.running) continue;
      tell_tracker(*member);
      look_after_silent(*member, t);
      if (member != origin_.host() && is_cut_off(*member, t)) cut_off(*member);
      look_after_feed(*member, t);
      if (t - member->transfer.progress_at > options_.timeout + slack)
        fleet_.give_up_on(*member, Error(ErrorKind::unreachable,
                                         fmt::format("the transfer there has not come further for "
                                                     "{}",
                                                     format_duration(options_.timeout))));
    }
    look_after_stragglers(t);
  }
}

// --- hosts that are silent -----------------------------------------------------------------------

void Staging::look_after_silent(Member& member, Instant t) {
  const Duration patience = fleet_.options().ssh.connect_timeout;
  const Duration silent = t - member.session->heard_at();
  if (others_ready_at_ && silent > silence() && pinged_.contains(&member)) {
    member.session->abort(fmt::format("it has said nothing for {}", format_duration(silence())));
    return;
  }
  if (silent < std::min<Duration>(patience * 3 / 10, silence() / 2) ||
      !pinged_.insert(&member).second)
    return;
  asio::co_spawn(fleet_.io(), ping(member, member.session), asio::detached);
}

/// An order that costs nothing: who does not answer it either is gone. ssh itself finds that out
/// later, and never when it is the host's processes that hang.
asio::awaitable<void> Staging::ping(Member& member, std::shared_ptr<Session> session) {
  const Duration patience = fleet_.options().ssh.connect_timeout;
  const Instant heard_at = session->heard_at();
  orders::Look look;
  look.dest = member.dest;
  try {
    co_await session->order(std::move(look), patience - patience * 3 / 10);
  } catch (const Error&) {
    if (session->is_open() && session->heard_at() == heard_at && !over())
      session->abort(fmt::format("it has said nothing for {}", format_duration(patience)));
  }
  pinged_.erase(&member);
}

/// The rollout waits for hosts that work, not for those that are gone.
void Staging::look_after_stragglers(Instant t) {
  std::vector<Member*> lost;
  bool any_ready = false;
  for (Member* member : fleet_.all()) {
    if (member->failed() || member->given_up) continue;
    if (is_ready(*member)) {
      any_ready = true;
      continue;
    }
    const bool silent = member->is_connected() && member->transfer.running &&
                        t - member->session->heard_at() > heard_lately;
    if (!silent && (member->is_connected() || !member->lost_at)) {
      others_ready_at_.reset();
      return;
    }
    lost.push_back(member);
  }
  if (lost.empty() || !any_ready || !hears_others(nullptr, t)) {
    others_ready_at_.reset();
    return;
  }
  if (!others_ready_at_) {
    others_ready_at_ = t;
    fleet_.note(fmt::format(
        "the other hosts are ready, and wait up to {} for {}, which is not heard any more",
        format_duration(silence()), counted_hosts(lost)));
  }
  for (Member* member : lost) {
    if (member->is_connected() || !member->lost_at) continue;
    const Duration waited = t - std::max(*others_ready_at_, *member->lost_at);
    if (waited < silence()) continue;
    fleet_.give_up_on(
        *member,
        Error(ErrorKind::unreachable,
              fmt::format("{}; the other hosts were ready and waited {} for it to come back",
                          member->loss, format_duration(silence()))));
  }
}

// --- hosts that the swarm does not reach ---------------------------------------------------------

bool Staging::is_cut_off(const Member& member, Instant t) const {
  const TransferState& transfer = member.transfer;
  return !transfer.complete && transfer.links == 0 && t - transfer.linked_at > cut_off_after;
}

/// No other host reaches it.
void Staging::cut_off(Member& member) {
  if (!cut_off_.insert(&member).second) return;
  const std::string what =
      fmt::format("no other host can be reached on the swarm's ports ({})", fleet_.swarm_ports());
  if (is_ready(member) || member.transfer.complete) {
    fleet_.note(member, what);
    return;
  }
  if (!options_.fallback) {
    if (member.is_connected()) member.session->tell(R"({"order":"stop"})");
    fleet_.give_up_on(member,
                      Error(ErrorKind::unreachable,
                            fmt::format("{}, and --no-fallback forbids to feed it over ssh; open "
                                        "the ports between the hosts",
                                        what)));
    return;
  }
  fleet_.note(member, fmt::format("fed over ssh: {}", what));
  if (member.is_connected() && member.transfer.running) start_feed(member);
}

/// A feed that gave up, for the transfer there did not answer for a long time, is begun again.
void Staging::look_after_feed(Member& member, Instant t) {
  if (!is_fed(member) || member.transfer.complete || feeds_.contains(&member)) return;
  const auto ended = feed_ended_.find(&member);
  if (ended == feed_ended_.end() || t - ended->second > feed_again_after) start_feed(member);
}

// --- the origin ----------------------------------------------------------------------------------

asio::awaitable<void> Staging::watch_origin() {
  tracker_heard_ = origin_heard_ = now();
  while (!over()) {
    co_await sleep_for(fleet_.io(), watch_every);
    if (over() || !payload_ || spoiled_) continue;
    // What is fed is compared with its digests; what is seeded here is not.
    if (origin_.is_here() && state_of(payload_->fd, payload_->path) != payload_->state)
      spoil(describe_change(*payload_));
    else
      co_await look_after_origin(now());
  }
}

/// The others are linked to one another and not to it.
bool Staging::origin_is_out_of_reach(const Member& origin, Instant t) const {
  const TransferState& transfer = origin.transfer;
  if (!transfer.running || transfer.links > 0 || t - transfer.linked_at <= cut_off_after)
    return false;
  return std::ranges::any_of(fleet_.members(), [&](const auto& member) {
    return member.get() != &origin && member->is_connected() && member->transfer.running &&
           !member->transfer.complete && member->transfer.links > 0 &&
           t - member->transfer.began_at > cut_off_after;
  });
}

/// It had it before the command, so that nothing runs there, and others want it.
bool Staging::is_idle_origin(const Member& origin) const {
  return origin_.is_ready() && !origin_.is_here() && is_ready(origin) && origin.is_connected() &&
         !origin.transfer.running && std::ranges::any_of(fleet_.members(), [](const auto& member) {
           return member->report.state == HostState::staging;
         });
}

asio::awaitable<void> Staging::look_after_origin(Instant t) {
  Member* const origin = origin_.host();
  if (!origin_.was_ready() || origin_.swarm_is_closed() ||
      (origin != nullptr && !origin_.is_ready())) {
    origin_heard_ = tracker_heard_ = t;
    co_return;
  }
  const bool is_idle = origin != nullptr && is_idle_origin(*origin);
  if (is_idle && !origin->view.in_place && serving_.insert(origin).second) {
    serving_problem_.clear();
    asio::co_spawn(fleet_.io(), serve(*origin), asio::detached);
  }
  if (!hears_others(origin, t))
    origin_heard_ = t;  // or it is this machine that is off its network
  else if (origin != nullptr && origin->is_connected())
    origin_heard_ =
        std::max(origin_heard_, origin->transfer.running ? origin->session->heard_at() : t);
  bool any_ok = false;
  bool any_silent = false;
  for (const Member* member : fleet_.connected()) {
    if (!member->transfer.running || cut_off_.contains(member)) continue;
    (member->transfer.tracker_ok ? any_ok : any_silent) = true;
  }
  if (any_ok || !any_silent) tracker_heard_ = t;
  const bool tracker_is_silent = t - tracker_heard_ > tracker_silent_for;
  std::string lost;
  const bool out_of_reach = origin != nullptr && origin_is_out_of_reach(*origin, t);
  if (origin == nullptr || origin->failed()) {
    lost = origin == nullptr ? "it failed" : origin->report.reason;
  } else if (!origin_.seeding_problem().empty()) {
    lost = origin_.seeding_problem();
  } else if (is_idle && origin->view.in_place) {
    lost = "it has it in place, and no pack of it";
  } else if (is_idle && !serving_problem_.empty()) {
    lost = std::exchange(serving_problem_, {});
  } else if (out_of_reach) {
    lost = fmt::format("no other host reaches it on the swarm's ports ({})", fleet_.swarm_ports());
  } else if (!origin_.is_here() && t - origin_heard_ > silence()) {
    lost = fmt::format("it has said nothing for {}", format_duration(silence()));
  } else if (tracker_is_silent && origin->is_connected()) {
    // The tracker alone may have died: its host starts it again, unless it is silent too.
    try {
      co_await origin_.restart_tracker();
    } catch (const Error& error) {
      lost = error.what();
    }
  }
  if (lost.empty() && !tracker_is_silent) co_return;
  if (!lost.empty()) {
    if (origin != nullptr) stop_feed(*origin);
    const bool was_here = origin_.is_here();
    co_await origin_.replace(lost, out_of_reach);
    if (out_of_reach && !was_here) cut_off(*origin);
  }
  if (origin_.is_ready()) co_await moved();
  tracker_heard_ = origin_heard_ = now();
}

/// The origin is another host now, or its tracker another: all are told, and what nobody has any
/// more is sent again.
asio::awaitable<void> Staging::moved() {
  in_swarm_ = nothing_;
  asked_.clear();
  Member* const origin = origin_.host();
  for (Member* member : fleet_.connected()) {
    if (!member->transfer.running) continue;
    tell_tracker(*member);
    if (member == origin || feeds_.contains(member) || cut_off_.contains(member)) continue;
    asked_.insert(member);
    member->session->tell(R"({"order":"have"})");
  }
  co_await fleet_.changed().wait([this] { return asked_.empty() || over(); },
                                 patience_with_answers);
  if (origin == origin_.host() && origin->transfer.running && !origin->transfer.complete)
    start_feed(*origin);
}

}  // namespace murder::fleet
