#include "fleet/history.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/process_identity.hpp"
#include "fleet/record_file.hpp"

namespace murder::fleet {
namespace {

constexpr Duration patience = std::chrono::seconds(2);
constexpr std::size_t all = 1'000'000;

std::vector<std::string> from_text(const std::string& notes) {
  const auto parsed = nlohmann::json::parse(notes, nullptr, false);
  std::vector<std::string> result;
  if (parsed.is_array())
    for (const auto& note : parsed)
      if (note.is_string()) result.push_back(note.get<std::string>());
  return result;
}

Standing standing(bool has_ended, const ProcessIdentity& process) {
  if (has_ended) return Standing::ended;
  switch (standing_of(process)) {
    case ProcessStanding::runs:
      return Standing::running;
    case ProcessStanding::gone:
      return Standing::interrupted;
    case ProcessStanding::elsewhere:
      return Standing::elsewhere;
  }
  return Standing::elsewhere;
}

constexpr const char* deploys_sql = R"sql(
  SELECT d.id, d.command, d.tag, d.dest, d.started_at_ms, d.updated_at_ms, d.seconds, d.exit_status,
    d.pid, d.pid_started, d.machine, d.boot, d.numbering,
    (SELECT count(*) FROM hosts h WHERE h.deploy = d.number),
    (SELECT count(*) FROM hosts h WHERE h.deploy = d.number AND h.good),
    (SELECT count(*) FROM hosts h WHERE h.deploy = d.number AND h.failure IS NOT NULL),
    d.goal, d.source, d.origin, d.signal, d.rolled_back, d.stopped, d.problem, d.notes, d.number
  FROM deploys d WHERE ?1 = '' OR d.id = ?1 ORDER BY d.started_at_ms DESC, d.number DESC LIMIT ?2)sql";

DeployRow read_row(const Statement& row, std::int64_t now_ms) {
  DeployRow deploy;
  deploy.id = row.text(0);
  deploy.command = row.text(1);
  deploy.tag = row.text(2);
  deploy.dest = row.text(3);
  deploy.started_at_ms = row.integer(4);
  if (!row.is_null(7)) deploy.exit_status = static_cast<int>(row.integer(7));
  const ProcessIdentity process = {row.integer(8), row.integer(9), row.text(10), row.text(11),
                                   row.text(12)};
  deploy.pid = process.pid;
  deploy.machine = process.machine;
  deploy.standing = standing(deploy.exit_status.has_value(), process);
  const std::int64_t heard_of_ms = deploy.standing == Standing::running ? now_ms : row.integer(5);
  deploy.seconds =
      row.is_null(6) ? static_cast<double>(heard_of_ms - deploy.started_at_ms) / 1000 : row.real(6);
  deploy.hosts = static_cast<std::size_t>(row.integer(13));
  deploy.good = static_cast<std::size_t>(row.integer(14));
  deploy.failed = static_cast<std::size_t>(row.integer(15));
  return deploy;
}

FleetReport read_report(const Statement& row, const DeployRow& deploy) {
  FleetReport report;
  report.deploy = deploy.id;
  report.command = deploy.command;
  report.goal = parse_goal(row.text(16)).value_or(Goal::activated);
  report.tag = deploy.tag;
  report.dest = deploy.dest;
  report.source = row.text(17);
  report.origin = row.text(18);
  report.started_at_ms = deploy.started_at_ms;
  report.seconds = deploy.seconds;
  if (!row.is_null(19)) report.signal = static_cast<int>(row.integer(19));
  report.rolled_back = row.integer(20) != 0;
  report.stopped = row.integer(21) != 0;
  report.problem = row.text(22);
  report.notes = from_text(row.text(23));
  return report;
}

HostReport read_host(const Statement& row) {
  HostReport host;
  host.name = row.text(0);
  host.address = row.text(1);
  host.state = parse_state(row.text(2)).value_or(HostState::unknown);
  host.failed_in = parse_phase(row.text(3));
  host.failure = parse_error_kind(row.text(4));
  host.reason = row.text(5);
  host.live_tag = row.text(6);
  host.previous_tag = row.text(7);
  host.reached_s = row.maybe_real(8);
  host.staged_s = row.maybe_real(9);
  host.activated_s = row.maybe_real(10);
  host.checked_s = row.maybe_real(11);
  host.fetched_bytes = static_cast<std::uint64_t>(row.integer(12));
  host.resumed_bytes = static_cast<std::uint64_t>(row.integer(13));
  host.fed_bytes = static_cast<std::uint64_t>(row.integer(14));
  host.wave = static_cast<std::uint32_t>(row.integer(15));
  host.notes = from_text(row.text(16));
  host.complete_s = row.maybe_real(17);
  return host;
}

std::string joined(const std::vector<std::string>& ids) {
  return fmt::format("{}", fmt::join(ids, ", "));
}

}  // namespace

std::string_view standing_name(Standing standing) {
  switch (standing) {
    case Standing::running:
      return "running";
    case Standing::ended:
      return "ended";
    case Standing::interrupted:
      return "interrupted";
    case Standing::elsewhere:
      return "elsewhere";
  }
  return "ended";
}

History::History(std::filesystem::path path, std::optional<Database> database, std::int64_t now_ms)
    : path_(std::move(path)), database_(std::move(database)), now_ms_(now_ms) {}

History History::open(const std::filesystem::path& path, std::int64_t now_ms) {
  return {path, open_record_to_read(path, patience), now_ms};
}

std::vector<DeployRow> History::deploys(std::size_t limit) {
  std::vector<DeployRow> rows;
  if (!database_) return rows;
  Statement statement(*database_, deploys_sql);
  statement.bind(std::string_view()).bind(std::uint64_t{std::min(limit, all)});
  while (statement.next()) rows.push_back(read_row(statement, now_ms_));
  return rows;
}

std::vector<std::string> History::matching(std::string_view part, std::size_t limit) {
  std::vector<std::string> exact;
  std::vector<std::string> beginning;
  std::vector<std::string> ending;
  if (!database_) return exact;
  Statement statement(*database_,
                      "SELECT id FROM deploys ORDER BY started_at_ms DESC, number DESC");
  while (statement.next()) {
    const std::string id = statement.text(0);
    if (part.empty() || id == part) exact.push_back(id);
    if (id.starts_with(part)) beginning.push_back(id);
    if (id.ends_with(part)) ending.push_back(id);
  }
  if (part.empty() && !exact.empty()) exact.resize(1);
  auto& found = !exact.empty() ? exact : !beginning.empty() ? beginning : ending;
  if (found.size() > limit) found.resize(limit);
  return found;
}

std::string History::resolve(std::string_view part) {
  constexpr std::size_t named = 5;
  const std::vector<std::string> ids = matching(part, named);
  if (ids.size() == 1) return ids.front();
  if (ids.size() > 1)
    throw Error(ErrorKind::usage,
                fmt::format("'{}' may be {}: give more of it", printable(part), joined(ids)));
  std::vector<std::string> latest;
  for (const DeployRow& row : deploys(named)) latest.push_back(row.id);
  const std::string path = printable(path_.string(), 4096);
  if (latest.empty())
    throw Error(ErrorKind::usage, fmt::format("no deploy is recorded in {}", path));
  throw Error(ErrorKind::usage, fmt::format("no deploy {} is recorded in {}; the latest: {}",
                                            printable(part), path, joined(latest)));
}

std::optional<RecordedDeploy> History::find(const std::string& id) {
  if (!database_ || id.empty()) return std::nullopt;
  // The deploy and its hosts as they are at one instant, while others write.
  Transaction transaction(*database_, Transaction::Kind::read);
  RecordedDeploy deploy;
  std::int64_t number = 0;
  {
    Statement statement(*database_, deploys_sql);
    statement.bind(id).bind(1);
    if (!statement.next()) return std::nullopt;
    deploy.row = read_row(statement, now_ms_);
    deploy.report = read_report(statement, deploy.row);
    number = statement.integer(24);
  }
  Statement hosts(*database_, R"sql(
    SELECT name, address, state, failed_in, failure, reason, live_tag, previous_tag, reached_s,
      staged_s, activated_s, checked_s, fetched_bytes, resumed_bytes, fed_bytes, wave, notes,
      complete_s
    FROM hosts WHERE deploy=? ORDER BY position)sql");
  hosts.bind(number);
  while (hosts.next()) deploy.report.hosts.push_back(read_host(hosts));
  return deploy;
}

std::vector<LogLine> History::logs(const std::string& id, const std::string& host) {
  std::vector<LogLine> lines;
  if (!database_) return lines;
  Statement statement(*database_, R"sql(
    SELECT host, seconds, source, text FROM logs
    WHERE deploy = (SELECT number FROM deploys WHERE id=?) AND host=? ORDER BY logs.number)sql");
  statement.bind(id).bind(host);
  while (statement.next())
    lines.push_back({statement.text(0), statement.real(1), statement.text(2), statement.text(3)});
  return lines;
}

std::vector<LoggedHost> History::logged_hosts(const std::string& id) {
  std::vector<LoggedHost> hosts;
  if (!database_) return hosts;
  // With max(), SQLite takes the other columns from the row that has it.
  Statement statement(*database_, R"sql(
    SELECT host, count(*), sum(length(CAST(text AS BLOB))), source, max(number) FROM logs
    WHERE deploy = (SELECT number FROM deploys WHERE id=?) GROUP BY host ORDER BY host)sql");
  statement.bind(id);
  while (statement.next())
    hosts.push_back({statement.text(0), static_cast<std::size_t>(statement.integer(1)),
                     static_cast<std::uint64_t>(statement.integer(2)), statement.text(3)});
  return hosts;
}

}  // namespace murder::fleet
