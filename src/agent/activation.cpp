#include "agent/activation.hpp"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "agent/hook_environment.hpp"
#include "base/error.hpp"
#include "host/beneath.hpp"
#include "host/command.hpp"
#include "host/layout.hpp"
#include "host/lock.hpp"
#include "host/room.hpp"
#include "host/shared_links.hpp"

namespace murder::agent {
namespace {

/// Names the release whose second hook is still to succeed. Written before the switch and removed
/// after the hook, so that a host that died between the two is known for it.
constexpr const char* unfinished_name = "unfinished";

std::string unfinished_path() { return fmt::format("{}/{}", layout::own, unfinished_name); }

/// What the last order to switch came to, for a control side that lost its session before it heard
/// of it. Of a rollback also, before the switch, where it goes: so that the same order never goes
/// back twice.
constexpr const char* outcome_name = "outcome";

std::string outcome_path() { return fmt::format("{}/{}", layout::own, outcome_name); }

struct Outcome {
  bool ended = false;
  orders::Activated answer;
};

std::string outcome_head(std::string_view order, const std::string& deploy, bool ended) {
  return fmt::format("{} {} {}\n", ended ? "ended" : "begun", order, printable(deploy));
}

bool write_outcome(const Destination& destination, std::string_view order,
                   const std::string& deploy, const Outcome& outcome) {
  const UniqueFd own = layout::open_folder(destination, layout::own);
  return replace_file(
      own.get(), outcome_name,
      outcome_head(order, deploy, outcome.ended) + orders::encode_answer(1, outcome.answer), 0600);
}

std::optional<Outcome> read_outcome(const Destination& destination, std::string_view order,
                                    const std::string& deploy) {
  const UniqueFd fd = open_beneath(destination.fd(), outcome_path(), O_RDONLY);
  std::string text;
  if (!fd || !read_all(fd.get(), text, 16u << 20)) return std::nullopt;
  for (const bool ended : {true, false}) {
    const std::string head = outcome_head(order, deploy, ended);
    if (!text.starts_with(head)) continue;
    try {
      return Outcome{ended, orders::parse_answer<orders::Activated>(text.substr(head.size()))};
    } catch (const Error&) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

/// What cannot be written is done all the same.
orders::Activated with_outcome(const Destination& destination, std::string_view order,
                               const std::string& deploy, orders::Activated answer) {
  static_cast<void>(write_outcome(destination, order, deploy, {true, answer}));
  return answer;
}

void mark_unfinished(const Destination& destination, const std::string& tag) {
  const UniqueFd own = layout::open_folder(destination, layout::own);
  if (!replace_file(own.get(), unfinished_name, tag, 0600))
    throw write_error(destination, "cannot write", layout::shown(destination, unfinished_path()),
                      tag.size(), errno);
}

void mark_finished(const Destination& destination) {
  const UniqueFd own = layout::open_folder(destination, layout::own);
  ::unlinkat(own.get(), unfinished_name, 0);
}

/// Held by the session, or for this order alone.
class Turnstile {
 public:
  Turnstile(const Destination& destination, const Turn& turn, const std::string& deploy) {
    if (!turn.locked) lock_.emplace(destination, deploy, "");
  }

 private:
  std::optional<DeployLock> lock_;
};

struct HookRun {
  orders::HookOutcome outcome;
  std::string problem;  ///< empty: it was well, or there was nothing to run
};

HookRun run_hook(const orders::Hook& hook, std::string_view which, const HookEnvironment& where,
                 const std::stop_token& stop) {
  HookRun run;
  if (hook.command.empty()) return run;
  const UniqueFd folder = where.open_release();
  const Duration timeout = std::chrono::seconds(hook.timeout_s);
  CommandOutcome outcome = run_command({.command = hook.command,
                                        .folder = folder.get(),
                                        .environment = where.variables(),
                                        .timeout = timeout,
                                        .stop = stop});
  run.outcome = {.ran = true,
                 .status = outcome.status,
                 .timed_out = outcome.timed_out,
                 .seconds = outcome.seconds,
                 .output = std::move(outcome.output),
                 .output_bytes = outcome.output_bytes};
  if (!outcome.well()) run.problem = fmt::format("{} failed: {}", which, outcome.reason(timeout));
  return run;
}

/// After the switch: whatever goes wrong now is told beside what was done.
void finish(const Destination& destination, const orders::Hook& hook, const HookEnvironment& where,
            orders::Activated& answer) {
  try {
    HookRun after = run_hook(hook, "post-activate", where, {});
    answer.after = std::move(after.outcome);
    answer.problem = std::move(after.problem);
    if (answer.problem.empty()) mark_finished(destination);
  } catch (const Error& error) {
    answer.problem = fmt::format("post-activate failed: {}", error.what());
  }
}

}  // namespace

std::optional<std::string> unfinished_release(const Destination& destination) {
  const UniqueFd fd = open_beneath(destination.fd(), unfinished_path(), O_RDONLY);
  std::string tag;
  if (!fd || !read_all(fd.get(), tag, 4096)) return std::nullopt;
  return !tag.empty() && destination.current_tag() == tag ? std::optional(tag) : std::nullopt;
}

orders::Activated activate(const orders::Activate& order, const Turn& turn) {
  const Destination destination = Destination::open(order.dest, Destination::Mode::existing);
  layout::require_release_tag(order.tag);
  const Turnstile turnstile(destination, turn, order.deploy);
  if (order.again) {
    const auto past = read_outcome(destination, orders::Activate::name, order.deploy);
    if (past && past->ended && past->answer.tag == order.tag) return past->answer;
  }
  orders::Activated answer;
  answer.tag = order.tag;
  answer.previous = destination.current_tag().value_or("");
  const HookEnvironment where(destination, order.tag, answer.previous, order.host, order.deploy);
  {
    const DestinationLock lock(destination);
    if (!destination.has_release(order.tag))
      throw Error(ErrorKind::failed, fmt::format("cannot activate {}: no such release in {}; stage "
                                                 "it first",
                                                 order.tag, destination.path().native()));
    link_shared(destination, order.tag, order.link_shared);
  }
  if (answer.previous == order.tag) {
    if (unfinished_release(destination)) finish(destination, order.after, where, answer);
    return with_outcome(destination, orders::Activate::name, order.deploy, std::move(answer));
  }
  HookRun before = run_hook(order.before, "pre-activate", where, turn.stop);
  answer.before = std::move(before.outcome);
  answer.problem = std::move(before.problem);
  // A hook that was ended with its session has come to no outcome.
  if (!answer.problem.empty() && turn.stop.stop_requested()) return answer;
  if (!answer.problem.empty())
    return with_outcome(destination, orders::Activate::name, order.deploy, std::move(answer));
  if (turn.stop.stop_requested())
    throw Error(ErrorKind::failed, "the session ended before anything was switched");
  {
    const DestinationLock lock(destination);
    if (!order.after.command.empty()) mark_unfinished(destination, order.tag);
    murder::activate(destination, order.tag);
    answer.switched = true;
  }
  finish(destination, order.after, where, answer);
  return with_outcome(destination, orders::Activate::name, order.deploy, std::move(answer));
}

orders::Activated roll_back(const orders::Rollback& order, const Turn& turn) {
  const Destination destination = Destination::open(order.dest, Destination::Mode::existing);
  const Turnstile turnstile(destination, turn, order.deploy);
  std::optional<Outcome> past;
  if (order.again) past = read_outcome(destination, orders::Rollback::name, order.deploy);
  if (past && past->ended) return past->answer;
  Outcome outcome;
  orders::Activated& answer = outcome.answer;
  const std::string live = destination.current_tag().value_or("");
  answer.previous = past ? past->answer.previous : live;
  std::string target = past ? past->answer.tag : order.tag;
  {
    const DestinationLock lock(destination);
    if (target.empty()) target = previous_release(destination).value_or("");
    // Where there is nothing to go to, rollback() says why.
    if (!target.empty() && target != live) {
      answer.tag = target;
      if (!write_outcome(destination, orders::Rollback::name, order.deploy, outcome))
        throw write_error(destination, "cannot write", layout::shown(destination, outcome_path()),
                          0, errno);
      if (!order.after.command.empty()) mark_unfinished(destination, target);
    }
    answer.tag = rollback(destination, target);
    answer.switched = answer.tag != answer.previous;
  }
  const HookEnvironment where(destination, answer.tag, answer.previous, order.host, order.deploy);
  if (live != answer.tag || unfinished_release(destination))
    finish(destination, order.after, where, answer);
  return with_outcome(destination, orders::Rollback::name, order.deploy, std::move(answer));
}

}  // namespace murder::agent
