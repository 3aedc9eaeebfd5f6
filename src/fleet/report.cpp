#include "fleet/report.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

namespace murder::fleet {
namespace {

template <class Enum, std::size_t N>
using Names = std::array<std::pair<Enum, std::string_view>, N>;

constexpr Names<Phase, 8> phases{{{Phase::reach, "reach"},
                                  {Phase::bootstrap, "bootstrap"},
                                  {Phase::stage, "stage"},
                                  {Phase::lock, "lock"},
                                  {Phase::activate, "activate"},
                                  {Phase::check, "check"},
                                  {Phase::rollback, "rollback"},
                                  {Phase::place, "place"}}};
constexpr Names<HostState, 12> states{{{HostState::waiting, "waiting"},
                                       {HostState::reached, "reached"},
                                       {HostState::staging, "staging"},
                                       {HostState::staged, "staged"},
                                       {HostState::activated, "activated"},
                                       {HostState::healthy, "healthy"},
                                       {HostState::rolled_back, "rolled_back"},
                                       {HostState::failed, "failed"},
                                       {HostState::not_switched, "not_switched"},
                                       {HostState::unchanged, "unchanged"},
                                       {HostState::placed, "placed"},
                                       {HostState::unknown, "unknown"}}};
constexpr Names<Goal, 6> goals{{{Goal::answered, "answered"},
                                {Goal::staged, "staged"},
                                {Goal::activated, "activated"},
                                {Goal::healthy, "healthy"},
                                {Goal::rolled_back, "rolled_back"},
                                {Goal::placed, "placed"}}};

template <class Enum, std::size_t N>
std::string_view name_in(const Names<Enum, N>& names, Enum value) {
  for (const auto& [each, name] : names)
    if (each == value) return name;
  return "unknown";
}

template <class Enum, std::size_t N>
std::optional<Enum> find_in(const Names<Enum, N>& names, std::string_view wanted) {
  for (const auto& [each, name] : names)
    if (name == wanted) return each;
  return std::nullopt;
}

bool all_failed_for(const FleetReport& report, ErrorKind kind) {
  return std::all_of(report.hosts.begin(), report.hosts.end(),
                     [&](const HostReport& host) { return host.failure == kind; });
}

bool any_failed_for(const FleetReport& report, ErrorKind kind) {
  return std::any_of(report.hosts.begin(), report.hosts.end(),
                     [&](const HostReport& host) { return host.failure == kind; });
}

ErrorKind kind_of(const FleetReport& report) {
  if (all_failed_for(report, ErrorKind::usage)) return ErrorKind::usage;
  if (any_failed_for(report, ErrorKind::integrity)) return ErrorKind::integrity;
  if (all_failed_for(report, ErrorKind::unreachable)) return ErrorKind::unreachable;
  return ErrorKind::failed;
}

}  // namespace

std::string_view phase_name(Phase phase) { return name_in(phases, phase); }
std::string_view state_name(HostState state) { return name_in(states, state); }
std::string_view goal_name(Goal goal) { return name_in(goals, goal); }

std::string_view state_words(HostState state) {
  if (state == HostState::rolled_back) return "rolled back";
  if (state == HostState::not_switched) return "not switched";
  if (state == HostState::placed) return "in place";
  return state_name(state);
}

std::optional<Phase> parse_phase(std::string_view name) { return find_in(phases, name); }
std::optional<HostState> parse_state(std::string_view name) { return find_in(states, name); }
std::optional<Goal> parse_goal(std::string_view name) { return find_in(goals, name); }

std::optional<ErrorKind> parse_error_kind(std::string_view name) {
  for (const ErrorKind kind :
       {ErrorKind::failed, ErrorKind::usage, ErrorKind::partial, ErrorKind::unreachable,
        ErrorKind::integrity, ErrorKind::interrupted, ErrorKind::terminated})
    if (events::error_kind_name(kind) == name) return kind;
  return std::nullopt;
}

bool is_good(const HostReport& host, Goal goal) {
  switch (host.state) {
    case HostState::reached:
    case HostState::staging:
      return goal == Goal::answered;
    case HostState::staged:
    case HostState::not_switched:
      return goal == Goal::answered || goal == Goal::staged;
    case HostState::activated:
      return goal == Goal::answered || goal == Goal::staged || goal == Goal::activated;
    case HostState::healthy:
      return goal != Goal::rolled_back && goal != Goal::placed;
    case HostState::placed:
      return goal == Goal::answered || goal == Goal::placed;
    case HostState::unchanged:
      return true;
    case HostState::rolled_back:
      return goal == Goal::answered || goal == Goal::rolled_back;
    case HostState::waiting:
    case HostState::failed:
    case HostState::unknown:
      return false;
  }
  return false;
}

std::map<HostState, std::size_t> count_states(const FleetReport& report) {
  std::map<HostState, std::size_t> counts;
  for (const HostReport& host : report.hosts) ++counts[host.state];
  return counts;
}

std::size_t count_good(const FleetReport& report) {
  return static_cast<std::size_t>(
      std::count_if(report.hosts.begin(), report.hosts.end(),
                    [&](const HostReport& host) { return is_good(host, report.goal); }));
}

int exit_status(const FleetReport& report) {
  if (report.error == ErrorKind::usage) return static_cast<int>(*report.error);
  if (report.signal)
    return static_cast<int>(*report.signal == SIGINT ? ErrorKind::interrupted
                                                     : ErrorKind::terminated);
  if (report.rolled_back) return static_cast<int>(ErrorKind::failed);
  const std::size_t good = count_good(report);
  const bool all = good == report.hosts.size();
  if (report.error && (all || good == 0 || report.goal == Goal::answered))
    return static_cast<int>(*report.error);
  if (all) return 0;
  if (good > 0) return static_cast<int>(ErrorKind::partial);
  return static_cast<int>(kind_of(report));
}

events::HostReport to_event(const HostReport& host, Goal goal) {
  events::HostReport event;
  event.host = host.name;
  event.address = host.address;
  event.state = state_name(host.state);
  event.good = is_good(host, goal);
  if (host.failed_in) event.phase = phase_name(*host.failed_in);
  if (host.failure) event.failure = events::error_kind_name(*host.failure);
  event.reason = host.reason;
  event.live_tag = host.live_tag;
  event.previous_tag = host.previous_tag;
  event.reached_s = host.reached_s;
  event.complete_s = host.complete_s;
  event.staged_s = host.staged_s;
  event.activated_s = host.activated_s;
  event.checked_s = host.checked_s;
  event.fetched_bytes = host.fetched_bytes;
  event.resumed_bytes = host.resumed_bytes;
  event.fed_bytes = host.fed_bytes;
  event.wave = host.wave;
  event.notes = host.notes;
  return event;
}

events::Summary summary_event(const FleetReport& report) {
  events::Summary summary;
  const auto add = [&](std::string name, events::Summary::Value value) {
    summary.fields.emplace_back(std::move(name), std::move(value));
  };
  add("deploy", report.deploy);
  add("command", report.command);
  add("tag", report.tag);
  add("exit_status", static_cast<std::uint64_t>(exit_status(report)));
  add("seconds", report.seconds);
  if (!report.origin.empty()) add("origin", report.origin);
  add("hosts", std::uint64_t{report.hosts.size()});
  add("good", std::uint64_t{count_good(report)});
  for (const auto& [state, count] : count_states(report))
    add(std::string(state_name(state)), std::uint64_t{count});
  if (!report.problem.empty()) add("problem", report.problem);
  return summary;
}

}  // namespace murder::fleet
