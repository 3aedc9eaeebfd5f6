#include "fleet/fleet_lock.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "base/error.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

constexpr Duration patience_with_order = std::chrono::seconds(30);
/// When this machine goes silent; Run says every few seconds that it is there.
constexpr std::uint32_t lease_s = 30;
constexpr Duration try_lock_every = std::chrono::seconds(1);
/// With one that lets go by itself: its lease ends, or a hook that runs to its end.
constexpr Duration patience_with_leaving = std::chrono::seconds(90);
constexpr Duration patience_in_turn = std::chrono::seconds(2);
constexpr Duration try_again_in_turn = std::chrono::milliseconds(100);

}  // namespace

FleetLock::FleetLock(Fleet& fleet, std::string tag, Duration wait,
                     Duration patience_with_old_session)
    : fleet_(fleet),
      tag_(std::move(tag)),
      wait_(wait),
      patience_with_old_session_(patience_with_old_session),
      pause_(fleet.io()) {}

void FleetLock::stop() {
  stopped_ = true;
  pause_.notify();
}

asio::awaitable<void> FleetLock::take(std::vector<Member*> members) {
  std::exception_ptr refused;
  try {
    co_await take_all(members);
  } catch (const Error&) {
    refused = std::current_exception();
  }
  if (!refused) co_return;
  for (Member* member : members)
    if (member->report.state == HostState::staged) fleet_.change(*member, HostState::not_switched);
  std::rethrow_exception(refused);
}

orders::Lock FleetLock::lock_order(const Member& member) const {
  orders::Lock order;
  order.dest = member.dest;
  order.deploy = fleet_.options().deploy;
  order.host = member.host.name;
  order.who = fleet_.options().who;
  order.lease_s = lease_s;
  return order;
}

/// All of them, or Error. First the first by name, then the others at once, which is how it goes
/// when nobody else deploys: of two that begin together one has the first host and goes on. Where
/// they share other hosts than the first, one after another in the order of their names, so that
/// one of the two gets them all.
asio::awaitable<void> FleetLock::take_all(std::vector<Member*> members) {
  std::sort(members.begin(), members.end(),
            [](const Member* a, const Member* b) { return a->host.name < b->host.name; });
  const Instant began = std::chrono::steady_clock::now();
  bool said = false;
  for (bool in_turn = false;;) {
    const Held held = co_await try_all(members, in_turn);
    if (held.words.empty()) break;
    co_await release(members);
    if (stopped_) throw Error(ErrorKind::interrupted, "interrupted while it waited for a lock");
    const Duration waited = std::chrono::steady_clock::now() - began;
    const bool is_undecided = !in_turn && !held.is_first;
    if (!is_undecided && waited >= wait_ && !(held.leaving && waited < patience_with_leaving))
      throw Error(ErrorKind::failed,
                  fmt::format("nothing was switched: {}; run the same command again when that has "
                              "ended, or wait for it with --wait TIME",
                              held.words));
    in_turn = !held.is_first;
    if (is_undecided) continue;
    if (!std::exchange(said, true)) fleet_.observer().progressed("waiting: " + held.words);
    co_await pause_.wait([this] { return stopped_; }, try_lock_every);
  }
  for (Member* member : members)
    member->on_session = [this](Member& which) { return take_again(which); };
}

/// A host that cannot answer has failed.
asio::awaitable<FleetLock::Held> FleetLock::try_all(std::vector<Member*> members, bool in_turn) {
  std::erase_if(members, [](const Member* member) { return member->failed(); });
  Held held;
  const std::function<asio::awaitable<void>(Member&)> take = [this, &held](Member& member) {
    return take_one(member, held);
  };
  while (!members.empty()) {
    std::vector<Member*> those(1, members.front());
    members.erase(members.begin());
    const Instant give_up = std::chrono::steady_clock::now() + patience_in_turn;
    for (;;) {
      co_await fleet_.on_each(those, Phase::lock, take);
      // Another that takes them in turn, too, goes on or lets go.
      if (!in_turn || held.words.empty() || stopped_ || std::chrono::steady_clock::now() >= give_up)
        break;
      held = {};
      co_await pause_.wait([this] { return stopped_; }, try_again_in_turn);
    }
    held.is_first = !held.words.empty() && !in_turn;
    if (!held.words.empty()) break;
    if (in_turn) continue;
    those = std::exchange(members, {});
    co_await fleet_.on_each(std::move(those), Phase::lock, take);
  }
  co_return held;
}

asio::awaitable<void> FleetLock::take_one(Member& member, Held& held) {
  orders::Lock order = lock_order(member);
  const orders::Locked locked =
      co_await fleet_.order(member, std::move(order), patience_with_order);
  if (!locked.ok) {
    if (!held.words.empty()) co_return;
    held.words = fmt::format("{} is locked by {}", member.host.name, printable(locked.held_by));
    held.leaving = locked.leaving;
    co_return;
  }
  // As it was when it was looked at, or another deploy came between.
  if (tag_.empty()) co_return;
  member.report.live_tag = locked.live;
  if (locked.live != tag_) {
    member.report.previous_tag = locked.live;
    if (member.report.state == HostState::unchanged) fleet_.change(member, HostState::staged);
  }
}

/// On a session that took the place of a lost one: the old one may hold the lock still, and finish
/// a hook.
asio::awaitable<void> FleetLock::take_again(Member& member) {
  const Instant give_up = std::chrono::steady_clock::now() + patience_with_old_session_;
  for (;;) {
    orders::Lock order = lock_order(member);
    const orders::Locked locked =
        co_await member.session->order(std::move(order), patience_with_order);
    if (locked.ok) co_return;
    if (!locked.leaving || std::chrono::steady_clock::now() >= give_up)
      throw Error(ErrorKind::unreachable,
                  fmt::format("its lock was lost with its session, and held by "
                              "{} then",
                              printable(locked.held_by)));
    co_await sleep_for(fleet_.io(), try_lock_every);
  }
}

asio::awaitable<void> FleetLock::release(std::vector<Member*> members) {
  for (Member* member : members) member->on_session = nullptr;
  std::erase_if(members, [](const Member* member) { return !member->is_connected(); });
  co_await fleet_.on_each(std::move(members), Phase::lock,
                          [](Member& member) -> asio::awaitable<void> {
                            orders::Unlock order;
                            order.dest = member.dest;
                            try {
                              co_await member.session->order(std::move(order), patience_with_order);
                            } catch (const Error&) {
                              // The lock goes with the session.
                            }
                          });
}

}  // namespace murder::fleet
