#include "cli/record_wording.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string_view>

#include "base/error.hpp"
#include "base/units.hpp"
#include "cli/wording.hpp"

namespace murder::cli {
namespace {

constexpr std::size_t live_hosts = 8;  // lines that are redrawn must fit on the screen

std::string seconds(double s) { return format_duration(from_seconds(std::clamp(s, 0.0, 1e9))); }

/// How it ended, in the words of a table.
std::string ending(const fleet::DeployRow& deploy) {
  switch (deploy.standing) {
    case fleet::Standing::running:
      return "running";
    case fleet::Standing::interrupted:
      return "interrupted (pid gone)";
    case fleet::Standing::elsewhere:
      return fmt::format("no end (pid {} on {})", deploy.pid, printable(deploy.machine));
    case fleet::Standing::ended:
      break;
  }
  return fmt::format("{}", deploy.exit_status.value_or(0));
}

/// "deploy 20261122-131502-3fa2: v7 to /srv/app on 16 hosts, 3 m ago".
std::string title(const fleet::DeployRow& deploy, std::int64_t now_ms) {
  return fmt::format("{} {}: {}{} on {}, {}", printable(deploy.command), printable(deploy.id),
                     deploy.tag.empty() ? "" : printable(deploy.tag) + " to ",
                     printable(deploy.dest, 4096), counted(deploy.hosts, "host", "hosts"),
                     age(deploy.started_at_ms, now_ms));
}

/// Rows of equally many cells; the last column is not filled up.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i)
      text += fmt::format("{:<{}}  ", row[i], widths[i]);
    text += row.back() + "\n";
  }
  return text;
}

}  // namespace

std::string age(std::int64_t then_ms, std::int64_t now_ms) {
  const std::int64_t s = std::max<std::int64_t>(0, (now_ms - then_ms) / 1000);
  constexpr std::int64_t minute = 60;
  constexpr std::int64_t hour = 60 * minute;
  constexpr std::int64_t day = 24 * hour;
  if (s < 2 * minute) return fmt::format("{} s ago", s);
  if (s < 2 * hour) return fmt::format("{} m ago", s / minute);
  if (s < 2 * day) return fmt::format("{} h ago", s / hour);
  return fmt::format("{} d ago", s / day);
}

std::string history_table(const std::vector<fleet::DeployRow>& deploys, std::int64_t now_ms) {
  std::vector<std::vector<std::string>> rows = {
      {"ID", "WHEN", "COMMAND", "TAG", "DEST", "OK", "FAILED", "TOOK", "EXIT"}};
  for (const fleet::DeployRow& deploy : deploys)
    rows.push_back({printable(deploy.id), age(deploy.started_at_ms, now_ms),
                    printable(deploy.command), deploy.tag.empty() ? "-" : printable(deploy.tag),
                    printable(deploy.dest, 4096), fmt::format("{}/{}", deploy.good, deploy.hosts),
                    fmt::format("{}", deploy.failed), seconds(deploy.seconds), ending(deploy)});
  return table(rows);
}

std::string status_text(const fleet::RecordedDeploy& deploy, std::int64_t now_ms) {
  std::string text = title(deploy.row, now_ms);
  fleet::SummaryOptions options;
  options.max_names = deploy.report.hosts.size();
  switch (deploy.row.standing) {
    case fleet::Standing::running:
      text += fmt::format("; it runs (pid {})\n", deploy.row.pid);
      options.advice = false;
      break;
    case fleet::Standing::ended:
      text += fmt::format("; exit status {}\n", deploy.row.exit_status.value_or(0));
      break;
    case fleet::Standing::interrupted:
      text += fmt::format(
          "\nIt was interrupted: its process ({}) is gone and wrote no end. Where it "
          "stood last:\n",
          deploy.row.pid);
      break;
    case fleet::Standing::elsewhere:
      text += fmt::format(
          "\nNo end is recorded. It may still run: as process {} on {}, which cannot "
          "be seen from here. Where it stood last:\n",
          deploy.row.pid, printable(deploy.row.machine));
      options.advice = false;
      break;
  }
  return text + fleet::summary_text(deploy.report, options);
}

std::vector<LiveLine> status_lines(const fleet::RecordedDeploy& deploy) {
  const fleet::FleetReport& report = deploy.report;
  std::vector<LiveLine> lines = {{fleet::outcome_line(report), Style::plain}};
  for (const fleet::HostReport& host : report.hosts) {
    if (lines.size() > live_hosts) break;
    if (host.state == fleet::HostState::failed)
      lines.push_back(
          {fmt::format("  {}  failed{}: {}", printable(host.name),
                       host.failed_in ? fmt::format(" in {}", fleet::phase_name(*host.failed_in))
                                      : std::string(),
                       printable(host.reason)),
           Style::bad});
  }
  for (const fleet::HostReport& host : report.hosts) {
    if (lines.size() > live_hosts) break;
    if (host.state != fleet::HostState::failed && !fleet::is_good(host, report.goal))
      lines.push_back(
          {fmt::format("  {}  {}", printable(host.name), fleet::state_words(host.state)),
           Style::faint});
  }
  return lines;
}

std::string log_text(const std::vector<fleet::LogLine>& logs) {
  std::string text;
  for (const fleet::LogLine& entry : logs) {
    text += fmt::format("{}--- {} after {}\n", text.empty() ? "" : "\n", printable(entry.source),
                        seconds(entry.seconds));
    std::string_view rest = entry.text;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      text += printable(line, 4 * line.size()) + "\n";  // each byte as \xNN at worst
    }
  }
  return text;
}

std::string logged_hosts_table(const std::vector<fleet::LoggedHost>& hosts) {
  std::vector<std::vector<std::string>> rows = {{"HOST", "ENTRIES", "SIZE", "LAST"}};
  for (const fleet::LoggedHost& host : hosts)
    rows.push_back({printable(host.host), fmt::format("{}", host.entries), format_bytes(host.bytes),
                    printable(host.last_source)});
  return table(rows);
}

double percent_of(const tracker::SwarmView& swarm, const tracker::SwarmView::Host& host) {
  if (host.left == 0) return 100;
  if (swarm.size_bytes == 0) return 0;
  const double left = static_cast<double>(host.left) / static_cast<double>(swarm.size_bytes);
  return std::clamp(100 * (1 - left), 0.0, 100.0);
}

std::vector<LiveLine> swarm_lines(const std::vector<tracker::SwarmView>& swarms) {
  if (swarms.empty()) return {{"no swarm: nobody has announced anything", Style::plain}};
  std::vector<LiveLine> lines;
  for (const tracker::SwarmView& swarm : swarms) {
    events::Fleet fleet;
    fleet.hosts = swarm.hosts;
    fleet.complete = swarm.complete_hosts;
    fleet.failed = swarm.failed_hosts;
    std::string line = fmt::format("{}  {}", swarm.info_hash.hex(), fleet_line(fleet));
    if (swarm.size_bytes > 0) line += fmt::format(", {} each", format_bytes(swarm.size_bytes));
    line += fmt::format(", {}", counted(swarm.seeders, "seeder", "seeders"));
    if (swarm.stock_peers > 0)
      line += fmt::format(", {}", counted(swarm.stock_peers, "stock client", "stock clients"));
    lines.push_back({line, Style::plain});
    for (const tracker::SwarmView::Host& host : swarm.slowest) {
      if (host.complete) continue;
      // Never 100 before it is all.
      const int percent = std::min(99, static_cast<int>(percent_of(swarm, host)));
      lines.push_back({fmt::format("  {}  {} %  {} left  {}{}", printable(host.name), percent,
                                   format_bytes(host.left), counted(host.links, "link", "links"),
                                   host.failed ? "  failed" : ""),
                       host.failed ? Style::bad : Style::faint});
    }
  }
  return lines;
}

}  // namespace murder::cli
