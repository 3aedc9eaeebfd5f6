#include "fleet/activation.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/error.hpp"
#include "fleet/host_groups.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

constexpr Duration patience_with_order = std::chrono::seconds(30);
/// Beyond the hooks' own limits.
constexpr Duration patience_with_switch = std::chrono::seconds(60);

/// Whether the host itself said so; else it is not known what became of the order.
bool is_answer(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& reason) {
    return reason.kind() != ErrorKind::unreachable && reason.kind() != ErrorKind::interrupted;
  } catch (const std::exception&) {
    return false;
  }
}

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
    : fleet_(fleet),
      options_(options),
      lock_(fleet, options.tag, options.wait_for_lock, patience_with_hooks()),
      pause_(fleet.io()) {}

void Activation::stop() {
  stopped_ = true;
  if (rollout_ != nullptr) rollout_->stop();
  lock_.stop();
  pause_.notify();
}

asio::awaitable<void> Activation::run() {
  std::vector<Member*> present;
  std::vector<Member*> staged;
  for (Member* member : fleet_.all()) {
    const HostState state = member->report.state;
    if (state == HostState::staged) staged.push_back(member);
    if (state == HostState::staged || state == HostState::unchanged) present.push_back(member);
  }
  if (stopped_) co_return;
  if (staged.empty()) {
    // What this command, or one that was cut short, had switched before: well or not?
    co_await check_live(present);
    co_return;
  }
  co_await lock_.take(present);
  co_await roll_out();
  if (options_.keep > 0 && !fleet_.interrupted()) co_await prune(staged);
  co_await lock_.release(present);
}

asio::awaitable<void> Activation::check_live(std::vector<Member*> members) {
  if (!options_.checks()) co_return;
  co_await fleet_.on_each(
      std::move(members), Phase::check,
      [this](Member& member) -> asio::awaitable<void> { co_await check(member); });
}

Duration Activation::patience_with_hooks() const {
  return patience_with_switch + seconds_of(options_.before.timeout_s) +
         seconds_of(options_.after.timeout_s);
}

// --- waves ---------------------------------------------------------------------------------------

asio::awaitable<void> Activation::roll_out() {
  const std::vector<Member*> members = fleet_.all();
  std::vector<bool> ready;
  std::vector<bool> live;
  for (const Member* member : members) {
    ready.push_back(member->report.state == HostState::staged);
    live.push_back(member->report.state == HostState::unchanged);
  }
  Rollout rollout(options_.rollout, ready, live);
  rollout_ = &rollout;
  if (stopped_) rollout.stop();
  std::string stopped = "stopped before any host was switched";
  for (Rollout::Step step = rollout.next(); step.act != Rollout::Act::done; step = rollout.next()) {
    std::vector<Member*> those;
    those.reserve(step.hosts.size());
    for (const std::size_t host : step.hosts) those.push_back(members[host]);
    switch (step.act) {
      case Rollout::Act::check:
        co_await check_live(those);
        for (const Member* member : those) rollout.checked(member->index, !member->failed());
        break;
      case Rollout::Act::activate:
        stopped = step.waves > 1 ? fmt::format("stopped in wave {} of {}", step.wave, step.waves)
                                 : "stopped";
        if (step.waves > 1)
          fleet_.observer().progressed(fmt::format("wave {} of {}: {}", step.wave, step.waves,
                                                   count_of_hosts(those.size())));
        for (Member* member : those) member->report.wave = static_cast<std::uint32_t>(step.wave);
        co_await fleet_.on_each(those, Phase::activate, [&, this](Member& member) {
          return activate(member, rollout, member.index);
        });
        break;
      case Rollout::Act::roll_back:
        co_await go_back(those, rollout);
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
  FleetReport& report = fleet_.report();
  report.stopped = true;
  if (!rollout.reason().empty()) report.problem = stopped + ": " + rollout.reason();
  report.rolled_back = !rollout.reason().empty() &&
                       std::any_of(members.begin(), members.end(), [](const Member* member) {
                         return member->report.state == HostState::rolled_back;
                       });
  for (Member* member : members)
    if (member->report.state == HostState::staged) fleet_.change(*member, HostState::not_switched);
}

/// Those of them that have something to go back to.
asio::awaitable<void> Activation::go_back(std::vector<Member*> members, Rollout& rollout) {
  std::erase_if(members, [&](Member* member) {
    const std::string& previous = member->report.previous_tag;
    if (!previous.empty() && previous != options_.tag) return false;
    fleet_.note(*member,
                previous.empty()
                    ? fmt::format("nothing to go back to: no release was live there before {}",
                                  options_.tag)
                    : fmt::format("{} was live there before this command, which leaves it so",
                                  options_.tag));
    rollout.rolled_back(member->index, false);
    return true;
  });
  if (members.empty()) co_return;
  const std::string on = count_of_hosts(members.size());
  fleet_.observer().progressed(rollout.reason().empty()
                                   ? fmt::format("going back on {} that failed", on)
                                   : fmt::format("{}: going back on {}", rollout.reason(), on));
  // Named: GCC 12 destroys a closure twice that is made within a co_await.
  const std::function<asio::awaitable<void>(Member&)> back =
      [this, &rollout](Member& member) -> asio::awaitable<void> {
    std::string previous = member.report.previous_tag;
    const bool ok = co_await put_back(member, std::move(previous));
    rollout.rolled_back(member.index, ok);
  };
  co_await fleet_.on_each(members, Phase::rollback, back);
}

/// A session to it again, if it was lost meanwhile: before an order of which it would not be known
/// what became of it.
asio::awaitable<void> Activation::be_there(Member& member) {
  if (member.is_connected()) co_return;
  orders::Look look;
  look.dest = member.dest;
  co_await fleet_.order(member, std::move(look), patience_with_order);
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
  bool switched = false;
  std::exception_ptr failure;
  try {
    co_await be_there(member);
    member.in_doubt = true;
    const orders::Activated done =
        co_await fleet_.order(member, std::move(order), patience_with_hooks());
    member.in_doubt = false;
    switched = done.switched || done.previous == options_.tag;
    log(member, Phase::activate, "pre-activate", done.before);
    log(member, Phase::activate, "post-activate", done.after);
    if (done.switched) member.report.previous_tag = done.previous;
    member.report.live_tag = switched ? options_.tag : done.previous;
    if (switched) member.report.activated_s = fleet_.seconds();
    if (!done.problem.empty())
      throw Error(
          ErrorKind::failed,
          done.problem + last_words(done.after.ran ? done.after.output : done.before.output));
    fleet_.change(member, HostState::activated);
  } catch (const Error&) {
    failure = std::current_exception();
  }
  if (failure && is_answer(failure)) member.in_doubt = false;
  if (failure) {
    // Lost in the middle of it, for good: whether it was switched is known there alone. With an
    // answer, even an error's, it was not.
    switched = switched || member.in_doubt;
    if (member.in_doubt) {
      member.report.live_tag.clear();
      fleet_.note(member, fmt::format("it was lost while it was switched: whether {} is live there "
                                      "is not known",
                                      options_.tag));
      if (fleet_.interrupted()) fleet_.change(member, HostState::unknown);
    }
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
    // What was live before the command is unchanged, and well.
    if (member.report.state == HostState::unchanged)
      fleet_.told(member);
    else
      fleet_.change(member, HostState::healthy);
  } catch (const Error&) {
    failure = std::current_exception();
  }
  if (failure && member.report.state == HostState::unchanged)
    fleet_.note(member, fmt::format("{} was live there before this command, which leaves it so; "
                                    "murder rollback goes back",
                                    options_.tag));
  if (failure) fleet_.fail(member, Phase::check, failure);
  co_return !failure;
}

// --- back ----------------------------------------------------------------------------------------

asio::awaitable<bool> Activation::put_back(Member& member, std::string tag) {
  orders::Rollback order;
  order.dest = member.dest;
  order.tag = std::move(tag);
  order.host = member.host.name;
  order.deploy = fleet_.options().deploy;
  order.after = options_.after;
  const std::string failed_before = member.report.reason;
  std::exception_ptr failure;
  member.in_doubt = true;
  try {
    const orders::Activated done =
        co_await fleet_.order(member, std::move(order), patience_with_hooks());
    member.in_doubt = false;
    log(member, Phase::rollback, "post-activate", done.after);
    member.report.live_tag = done.tag;
    if (!done.problem.empty())
      throw Error(ErrorKind::failed, done.problem + last_words(done.after.output));
    fleet_.change(member, HostState::rolled_back);
  } catch (const Error&) {
    failure = std::current_exception();
  }
  if (!failure) co_return true;
  if (is_answer(failure)) member.in_doubt = false;
  if (member.in_doubt) {
    member.report.live_tag.clear();
    if (fleet_.interrupted()) fleet_.change(member, HostState::unknown);
  }
  fleet_.fail(member, Phase::rollback, failure);
  if (!failed_before.empty() && member.report.reason != failed_before) {
    member.report.reason =
        fmt::format("{}; and it did not go back: {}", failed_before, member.report.reason);
    fleet_.told(member);
  }
  co_return false;
}

asio::awaitable<void> Activation::roll_back(std::vector<Member*> members, std::string tag) {
  if (members.empty() || stopped_) co_return;
  co_await lock_.take(members);
  std::erase_if(members, [](const Member* member) { return member->failed(); });
  // Named: GCC 12 destroys a closure twice that is made within a co_await.
  const std::function<asio::awaitable<void>(Member&)> back =
      [this, tag](Member& member) -> asio::awaitable<void> {
    std::string to = tag;
    co_await put_back(member, std::move(to));
  };
  if (!stopped_) co_await fleet_.on_each(members, Phase::rollback, back);
  co_await lock_.release(std::move(members));
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
