#include "fleet/activation.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/error.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

constexpr Duration patience_with_order = std::chrono::seconds(30);
/// Beyond the hooks' own limits.
constexpr Duration patience_with_switch = std::chrono::seconds(60);
/// Of the lock, when this machine goes silent; Run says every few seconds that it is there.
constexpr std::uint32_t lease_s = 60;
constexpr Duration try_lock_every = std::chrono::seconds(1);

Duration seconds_of(std::uint32_t count) { return std::chrono::seconds(count); }

/// The last of what it printed, fit for the end of a sentence.
std::string last_words(const std::string& output) {
  std::string_view text = output;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  const std::size_t line = text.rfind('\n');
  if (line != std::string_view::npos) text.remove_prefix(line + 1);
  return text.empty() ? std::string() : fmt::format(": {}", printable(text));
}

}  // namespace

Activation::Activation(Fleet& fleet, const ActivationOptions& options)
    : fleet_(fleet), options_(options), pause_(fleet.io()) {}

void Activation::stop() {
  stopped_ = true;
  if (rollout_ != nullptr) rollout_->stop();
  pause_.notify();
}

asio::awaitable<void> Activation::run() {
  std::vector<Member*> members;
  for (Member* member : fleet_.all())
    if (member->report.state != HostState::unchanged) members.push_back(member);
  std::vector<Member*> staged = members;
  std::erase_if(staged,
                [](const Member* member) { return member->report.state != HostState::staged; });
  if (staged.empty() || stopped_) co_return;
  co_await lock(staged);
  co_await roll_out(members);
  if (options_.keep > 0 && !fleet_.interrupted()) co_await prune(staged);
  co_await unlock(staged);
}

// --- locks ---------------------------------------------------------------------------------------

/// All of them, or Error. First all at once, which is how it goes when nobody else deploys; against
/// another deploy one after another in the order of their names, so that one of the two gets them.
asio::awaitable<void> Activation::lock(std::vector<Member*> members) {
  std::sort(members.begin(), members.end(),
            [](const Member* a, const Member* b) { return a->host.name < b->host.name; });
  const Instant give_up = std::chrono::steady_clock::now() + options_.wait_for_lock;
  bool said = false;
  for (bool in_turn = false;; in_turn = true) {
    const std::string held = co_await try_lock(members, in_turn);
    if (held.empty()) co_return;
    co_await unlock(members);
    if (!in_turn) continue;
    if (stopped_) throw Error(ErrorKind::interrupted, "interrupted while it waited for a lock");
    if (std::chrono::steady_clock::now() >= give_up)
      throw Error(
          ErrorKind::failed,
          fmt::format("nothing was switched: {}; wait for it to end, or give --wait TIME", held));
    if (!std::exchange(said, true)) fleet_.note(fmt::format("waiting: {}", held));
    co_await pause_.wait([this] { return stopped_; }, try_lock_every);
  }
}

/// Empty when all are locked, else who holds one. A host that cannot answer has failed.
asio::awaitable<std::string> Activation::try_lock(std::vector<Member*> members, bool in_turn) {
  std::string held;
  std::function<asio::awaitable<void>(Member&)> take =
      [this, &held](Member& member) -> asio::awaitable<void> {
    orders::Lock order;
    order.dest = member.dest;
    order.deploy = fleet_.options().deploy;
    order.who = fleet_.options().who;
    order.lease_s = lease_s;
    const orders::Locked locked =
        co_await fleet_.order(member, std::move(order), patience_with_order);
    if (!locked.ok && held.empty())
      held = fmt::format("{} is locked by {}", member.host.name, printable(locked.held_by));
  };
  std::erase_if(members, [](const Member* member) { return member->failed(); });
  if (!in_turn) {
    co_await fleet_.on_each(std::move(members), Phase::lock, take);
    co_return held;
  }
  for (Member* member : members) {
    std::vector<Member*> alone(1, member);
    co_await fleet_.on_each(std::move(alone), Phase::lock, take);
    if (!held.empty()) break;
  }
  co_return held;
}

asio::awaitable<void> Activation::unlock(std::vector<Member*> members) {
  std::erase_if(members, [](const Member* member) { return !member->is_connected(); });
  co_await fleet_.on_each(std::move(members), Phase::lock,
                          [this](Member& member) -> asio::awaitable<void> {
                            orders::Unlock order;
                            order.dest = member.dest;
                            try {
                              co_await member.session->order(std::move(order), patience_with_order);
                            } catch (const Error&) {
                              // The lock goes with the session.
                            }
                          });
}

// --- waves ---------------------------------------------------------------------------------------

asio::awaitable<void> Activation::roll_out(std::vector<Member*> members) {
  std::vector<bool> ready;
  ready.reserve(members.size());
  for (const Member* member : members) ready.push_back(member->report.state == HostState::staged);
  Rollout rollout(options_.rollout, ready);
  rollout_ = &rollout;
  if (stopped_) rollout.stop();
  for (Rollout::Step step = rollout.next(); step.act != Rollout::Act::done; step = rollout.next()) {
    std::vector<Member*> those;
    those.reserve(step.hosts.size());
    for (const std::size_t host : step.hosts) those.push_back(members[host]);
    std::function<std::size_t(const Member&)> index_of = [&](const Member& member) {
      return static_cast<std::size_t>(std::find(members.begin(), members.end(), &member) -
                                      members.begin());
    };
    switch (step.act) {
      case Rollout::Act::activate:
        if (step.waves > 1)
          fleet_.observer().noted(
              fmt::format("wave {} of {}: {} hosts", step.wave, step.waves, those.size()));
        for (Member* member : those) member->report.wave = static_cast<std::uint32_t>(step.wave);
        co_await fleet_.on_each(those, Phase::activate, [&, this](Member& member) {
          return activate(member, rollout, index_of(member));
        });
        break;
      case Rollout::Act::roll_back:
        fleet_.note(fmt::format("going back on {} hosts: {}", those.size(),
                                rollout.reason().empty() ? "they failed" : rollout.reason()));
        co_await fleet_.on_each(
            those, Phase::rollback, [&, this](Member& member) -> asio::awaitable<void> {
              const bool ok = co_await put_back(member, member.report.previous_tag);
              rollout.rolled_back(index_of(member), ok);
            });
        if (rollout.stopped()) fleet_.report().rolled_back = true;
        break;
      case Rollout::Act::pause:
        co_await pause_.wait([this] { return stopped_; }, options_.rollout.pause);
        break;
      case Rollout::Act::done:
        break;
    }
  }
  rollout_ = nullptr;
  if (!rollout.stopped()) co_return;
  fleet_.report().stopped = true;
  if (!rollout.reason().empty()) fleet_.report().problem = "stopped: " + rollout.reason();
  for (Member* member : members)
    if (member->report.state == HostState::staged) fleet_.change(*member, HostState::not_switched);
}

asio::awaitable<void> Activation::activate(Member& member, Rollout& rollout, std::size_t host) {
  orders::Activate order;
  order.dest = member.dest;
  order.tag = options_.tag;
  order.host = member.host.name;
  order.deploy = fleet_.options().deploy;
  order.link_shared = options_.link_shared;
  order.before = options_.before;
  order.after = options_.after;
  const Duration patience = patience_with_switch + seconds_of(options_.before.timeout_s) +
                            seconds_of(options_.after.timeout_s);
  bool switched = false;
  std::exception_ptr failure;
  try {
    // Not given a second time when the session is lost: hooks need not bear that.
    if (!member.is_connected()) co_await fleet_.connect(member);
    const orders::Activated done = co_await member.session->order(std::move(order), patience);
    switched = done.switched || done.tag == options_.tag;
    log(member, Phase::activate, "pre-activate", done.before);
    log(member, Phase::activate, "post-activate", done.after);
    if (switched) {
      member.report.previous_tag = done.previous;
      member.report.live_tag = options_.tag;
      member.report.activated_s = fleet_.seconds();
    }
    if (!done.problem.empty())
      throw Error(
          ErrorKind::failed,
          done.problem + last_words(done.after.ran ? done.after.output : done.before.output));
    fleet_.change(member, HostState::activated);
  } catch (const Error&) {
    failure = std::current_exception();
  }
  if (failure && !member.is_connected()) {
    // Lost in the middle of it. What is live there is asked, if it can be.
    try {
      orders::Look look;
      look.dest = member.dest;
      look.tag = options_.tag;
      const orders::View view = co_await fleet_.order(member, std::move(look), patience_with_order);
      switched = view.live == options_.tag;
      member.report.live_tag = view.live;
      if (switched)
        fleet_.note(member,
                    "switched, but its session was lost: whether post-activate ran is not "
                    "known");
    } catch (const Error&) {
    }
  }
  if (failure) {
    fleet_.fail(member, Phase::activate, failure);
    rollout.activated(host, false, switched);
    co_return;
  }
  const bool well = !options_.checks() || co_await check(member);
  rollout.activated(host, well, true);
}

asio::awaitable<bool> Activation::check(Member& member) {
  orders::Check order = options_.check;
  order.dest = member.dest;
  order.host = member.host.name;
  order.deploy = fleet_.options().deploy;
  const Duration each = seconds_of(order.timeout_s) + std::chrono::milliseconds(order.interval_ms);
  const Duration patience = patience_with_order + each * order.tries;
  std::exception_ptr failure;
  try {
    const orders::Checked checked = co_await fleet_.order(member, std::move(order), patience);
    member.report.checked_s = fleet_.seconds();
    if (!checked.output.empty())
      fleet_.observer().logged(member.host.name, Phase::check, checked.output);
    if (!checked.well)
      throw Error(ErrorKind::failed,
                  fmt::format("the check failed {}: {}{}",
                              checked.tries == 1 ? std::string("once")
                                                 : fmt::format("{} times", checked.tries),
                              checked.reason, last_words(checked.output)));
    fleet_.change(member, HostState::healthy);
  } catch (const Error&) {
    failure = std::current_exception();
  }
  if (failure) fleet_.fail(member, Phase::check, failure);
  co_return !failure;
}

// --- back ----------------------------------------------------------------------------------------

asio::awaitable<bool> Activation::put_back(Member& member, std::string tag) {
  if (tag.empty() && fleet_.report().command == "deploy") {
    fleet_.note(member,
                fmt::format("nothing to go back to: {} is the first release there", options_.tag));
    co_return false;
  }
  orders::Rollback order;
  order.dest = member.dest;
  order.tag = std::move(tag);
  order.host = member.host.name;
  order.deploy = fleet_.options().deploy;
  order.after = options_.after;
  std::exception_ptr failure;
  try {
    const orders::Activated done = co_await fleet_.order(
        member, std::move(order), patience_with_switch + seconds_of(options_.after.timeout_s));
    log(member, Phase::rollback, "post-activate", done.after);
    member.report.live_tag = done.tag;
    if (!done.problem.empty()) throw Error(ErrorKind::failed, done.problem);
    fleet_.change(member, HostState::rolled_back);
  } catch (const Error&) {
    failure = std::current_exception();
  }
  if (failure) fleet_.fail(member, Phase::rollback, failure);
  co_return !failure;
}

asio::awaitable<void> Activation::roll_back(std::vector<Member*> members, std::string tag) {
  co_await lock(members);
  std::erase_if(members, [](const Member* member) { return member->failed(); });
  // Named: GCC 12 destroys a closure twice that is made within a co_await.
  const std::function<asio::awaitable<void>(Member&)> back =
      [this, tag](Member& member) -> asio::awaitable<void> {
    std::string to = tag;
    co_await put_back(member, std::move(to));
  };
  co_await fleet_.on_each(members, Phase::rollback, back);
  co_await unlock(std::move(members));
}

/// Room for the next one. That it fails is worth a note, no more: the release is live.
asio::awaitable<void> Activation::prune(std::vector<Member*> members) {
  std::erase_if(members,
                [](const Member* member) { return !member->is_connected() || member->failed(); });
  co_await fleet_.on_each(
      std::move(members), Phase::activate, [this](Member& member) -> asio::awaitable<void> {
        orders::Prune order;
        order.dest = member.dest;
        order.keep = options_.keep;
        try {
          co_await member.session->order(std::move(order), patience_with_switch);
        } catch (const Error& error) {
          fleet_.note(member, fmt::format("old releases were not removed: {}", error.what()));
        }
      });
}

void Activation::log(const Member& member, Phase phase, const char* what,
                     const orders::HookOutcome& outcome) {
  if (!outcome.ran) return;
  fleet_.observer().logged(
      member.host.name, phase,
      fmt::format("{}: {} after {:.1f} s\n{}", what,
                  outcome.timed_out ? std::string("timed out")
                                    : fmt::format("exit status {}", outcome.status),
                  outcome.seconds, outcome.output));
}

}  // namespace murder::fleet
