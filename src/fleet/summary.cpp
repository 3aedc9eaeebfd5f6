// What a person reads at the end of a fleet command: the outcome first, then who differs and why,
// then what to do.
#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/units.hpp"
#include "fleet/host_groups.hpp"
#include "fleet/report.hpp"

namespace murder::fleet {
namespace {

constexpr std::size_t reason_limit = 500;

std::string seconds(double s) { return format_duration(from_seconds(s)); }

std::string release(const FleetReport& report) {
  if (report.goal == Goal::placed) return printable(report.dest, 4096);
  return report.tag.empty() ? std::string("the release") : printable(report.tag);
}

// --- the outcome ---------------------------------------------------------------------------------

/// "all 16 hosts", "web-1", "13 of 16 hosts", "none of 16 hosts".
std::string share(std::size_t count, const FleetReport& report) {
  const std::size_t all = report.hosts.size();
  if (all == 1) return count == 1 ? printable(report.hosts.front().name) : "no host";
  if (count == all) return "all " + count_of_hosts(all);
  if (count == 0) return "none of " + count_of_hosts(all);
  return fmt::format("{} of {}", count, count_of_hosts(all));
}

std::string achieved(const FleetReport& report, std::size_t good) {
  std::string on = share(good, report);
  const std::string tag = release(report);
  switch (report.goal) {
    case Goal::answered:
      return on + (good == 1 ? " answers" : " answer");
    case Goal::staged:
      return fmt::format("{} is staged on {}", tag, on);
    case Goal::activated:
      return fmt::format("{} is live on {}", tag, on);
    case Goal::healthy:
      return fmt::format("{} is live and well on {}", tag, on);
    case Goal::rolled_back:
      return fmt::format("{}{} is live again on {}", report.tag.empty() ? "the release before" : "",
                         report.tag.empty() ? "" : tag, on);
    case Goal::placed:
      return fmt::format("{} is in place on {}", tag, on);
  }
  return on;
}

std::size_t count_of(const FleetReport& report, HostState state) {
  return static_cast<std::size_t>(std::count_if(report.hosts.begin(), report.hosts.end(),
                                                [&](const auto& h) { return h.state == state; }));
}

std::size_t count_failed(const FleetReport& report) {
  return static_cast<std::size_t>(
      std::count_if(report.hosts.begin(), report.hosts.end(),
                    [](const auto& h) { return h.failure.has_value(); }));
}

std::string counts_line(const FleetReport& report) {
  std::string line;
  for (const auto& [state, count] : count_states(report))
    line += fmt::format("{}{} {}", line.empty() ? "" : ", ", count, state_words(state));
  return line;
}

// --- all hosts, a line each ----------------------------------------------------------------------

struct Column {
  std::string head;
  bool to_the_right;
  std::function<std::string(const HostReport&)> cell;
};

std::string time_cell(const std::optional<double>& time) { return time ? seconds(*time) : ""; }
std::string bytes_cell(std::uint64_t bytes) { return bytes == 0 ? "" : format_bytes(bytes); }

std::vector<Column> columns(const FleetReport& report) {
  const auto live_elsewhere = [&](const HostReport& host) {
    return !host.live_tag.empty() && host.live_tag != report.tag;
  };
  const bool say_what_is_live =
      report.goal == Goal::rolled_back || report.goal == Goal::answered ||
      std::any_of(report.hosts.begin(), report.hosts.end(), live_elsewhere);
  std::vector<Column> all = {
      {"HOST", false, [](const auto& h) { return printable(h.name); }},
      {"STATE", false, [](const auto& h) { return std::string(state_words(h.state)); }},
      {"LIVE", false,
       [=](const auto& h) { return say_what_is_live ? printable(h.live_tag) : std::string(); }},
      {"REACHED", true, [](const auto& h) { return time_cell(h.reached_s); }},
      {"COMPLETE", true, [](const auto& h) { return time_cell(h.complete_s); }},
      {"STAGED", true, [](const auto& h) { return time_cell(h.staged_s); }},
      {"ACTIVATED", true, [](const auto& h) { return time_cell(h.activated_s); }},
      {"CHECKED", true, [](const auto& h) { return time_cell(h.checked_s); }},
      {"FETCHED", true, [](const auto& h) { return bytes_cell(h.fetched_bytes); }},
      {"RESUMED", true, [](const auto& h) { return bytes_cell(h.resumed_bytes); }},
      {"OVER SSH", true, [](const auto& h) { return bytes_cell(h.fed_bytes); }}};
  // What is empty for every host is left out.
  std::erase_if(all, [&](const Column& column) {
    return std::all_of(report.hosts.begin(), report.hosts.end(),
                       [&](const auto& host) { return column.cell(host).empty(); });
  });
  return all;
}

std::string table(const FleetReport& report) {
  std::vector<std::string> lines(report.hosts.size() + 1);
  for (const Column& column : columns(report)) {
    std::vector<std::string> cells = {column.head};
    for (const HostReport& host : report.hosts) {
      const std::string text = column.cell(host);
      cells.push_back(text.empty() ? "-" : text);
    }
    std::size_t widest = 0;
    for (const std::string& cell : cells) widest = std::max(widest, text_width(cell));
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string space(widest - text_width(cells[i]), ' ');
      lines[i] += "  " + (column.to_the_right ? space + cells[i] : cells[i] + space);
    }
  }
  std::string text;
  for (std::string& line : lines) {
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

// --- alike hosts together ------------------------------------------------------------------------

/// A reason often names the host that it is about; those of other hosts are the same but for that.
std::string without_name(std::string reason, const HostReport& host) {
  for (const std::string& own : {host.name, host.address}) {
    if (own.size() < 3) continue;
    for (std::size_t at = reason.find(own); at != std::string::npos; at = reason.find(own, at + 4))
      reason.replace(at, own.size(), "HOST");
  }
  return reason;
}

std::string failure_words(const HostReport& host, const std::string& reason) {
  std::string words = "failed";
  if (host.failed_in) words += fmt::format(" in {}", phase_name(*host.failed_in));
  if (host.state != HostState::failed) words += fmt::format(", {} now", state_words(host.state));
  return reason.empty() ? words : fmt::format("{}: {}", words, printable(reason, reason_limit));
}

HostGroups failures(const FleetReport& report) {
  std::map<std::string, std::size_t> sharers;
  const auto shared = [](const HostReport& host) {
    return failure_words(host, without_name(host.reason, host));
  };
  const auto has_failed = [](const HostReport& host) {
    return host.failure.has_value() || host.state == HostState::failed;
  };
  for (const HostReport& host : report.hosts)
    if (has_failed(host)) ++sharers[shared(host)];
  HostGroups groups;
  for (const HostReport& host : report.hosts) {
    if (!has_failed(host)) continue;
    const std::string words = shared(host);
    groups.add(sharers[words] > 1 ? words : failure_words(host, host.reason), host.name);
  }
  return groups;
}

/// Those that neither failed nor have what was asked for.
HostGroups others(const FleetReport& report) {
  HostGroups groups;
  for (const HostReport& host : report.hosts)
    if (!host.failure && host.state != HostState::failed && !is_good(host, report.goal))
      groups.add(std::string(state_words(host.state)), host.name);
  return groups;
}

HostGroups notes(const FleetReport& report) {
  HostGroups groups;
  for (const HostReport& host : report.hosts)
    for (const std::string& note : host.notes)
      groups.add(printable(without_name(note, host), reason_limit), host.name);
  return groups;
}

// --- what to do ----------------------------------------------------------------------------------

/// A host whose hooks or checks may have printed why it failed.
const HostReport* with_output(const FleetReport& report) {
  for (const HostReport& host : report.hosts)
    if (host.failed_in == Phase::activate || host.failed_in == Phase::check ||
        host.failed_in == Phase::rollback)
      return &host;
  return nullptr;
}

/// What was live before, where that was the same on all hosts on which the release is live now;
/// empty otherwise.
std::string live_before(const FleetReport& report) {
  std::string before;
  for (const HostReport& host : report.hosts) {
    if (host.wave == 0 || host.live_tag != report.tag) continue;
    if (host.previous_tag.empty() || host.previous_tag == report.tag) return {};
    if (!before.empty() && before != host.previous_tag) return {};
    before = host.previous_tag;
  }
  return before;
}

std::string advice(const FleetReport& report) {
  std::string text;
  if (const HostReport* host = with_output(report); host != nullptr && !report.deploy.empty())
    text += fmt::format("murder logs {} {} shows what was printed there\n", report.deploy,
                        printable(host->name));
  if (count_of(report, HostState::unknown) > 0)
    text += fmt::format("murder releases --hosts … --to {} shows what is live where\n",
                        printable(report.dest, 4096));
  const std::string hosts_and_dest = fmt::format("--hosts … --to {}", printable(report.dest, 4096));
  const bool is_whole = count_good(report) == report.hosts.size() && !report.error;
  if (report.goal == Goal::staged && is_whole)
    text += fmt::format("murder activate {} {} switches to it\n", release(report), hosts_and_dest);
  // Of what only looks, and of what cannot be carried out, there is nothing to go on with.
  if (report.goal == Goal::answered || report.error == ErrorKind::usage) return text;
  if (const std::string before = live_before(report); !is_whole && !before.empty())
    text += fmt::format("murder rollback {} {} goes back where it was switched\n",
                        printable(before), hosts_and_dest);
  if (report.rolled_back)
    text +=
        "What was live before is live again where it had been switched. To try again: the "
        "same command; nothing is fetched twice\n";
  else if (!is_whole)
    text += "Run the same command again to go on: nothing is fetched twice\n";
  return text;
}

}  // namespace

std::string outcome_line(const FleetReport& report) {
  const std::size_t good = count_good(report);
  const std::size_t failed = count_failed(report);
  const bool all = good == report.hosts.size();
  std::string line;
  if (report.signal) line = fmt::format("interrupted after {}: ", seconds(report.seconds));
  if (report.rolled_back)
    line += fmt::format("{} is rolled back on {}", release(report),
                        count_of_hosts(count_of(report, HostState::rolled_back)));
  else if (all && good > 0 && count_of(report, HostState::unchanged) == good)
    line += fmt::format("{} was {} already on {}", release(report),
                        report.goal == Goal::staged   ? "staged"
                        : report.goal == Goal::placed ? "in place"
                                                      : "live",
                        share(good, report));
  else
    line += achieved(report, good);
  if (!report.signal) line += fmt::format(" after {}", seconds(report.seconds));
  if (failed > 0) line += fmt::format("; {} failed", failed);
  return line;
}

std::string summary_text(const FleetReport& report, const SummaryOptions& options) {
  std::string text = outcome_line(report) + "\n";
  if (!report.problem.empty()) text += printable(report.problem, reason_limit) + "\n";
  for (const std::string& note : report.notes) text += printable(note, reason_limit) + "\n";
  const bool is_small = report.hosts.size() <= options.all_hosts_up_to;
  if (is_small && !report.hosts.empty())
    text += "\n" + table(report);
  else if (count_states(report).size() > 1)
    text += counts_line(report) + "\n";

  std::string details = failures(report).text(options.max_names);
  if (!is_small) details += others(report).text(options.max_names);
  details += notes(report).text(options.max_names);
  if (!details.empty()) text += "\n" + details;

  const std::string what_to_do = options.advice ? advice(report) : std::string();
  if (!what_to_do.empty()) text += "\n" + what_to_do;
  return text;
}

}  // namespace murder::fleet
