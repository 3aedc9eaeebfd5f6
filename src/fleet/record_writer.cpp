#include "fleet/record_writer.hpp"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace murder::fleet {
namespace {

constexpr const char* put_deploy_sql = R"sql(
  INSERT INTO deploys(id, command, goal, tag, dest, source, origin, started_at_ms, updated_at_ms,
    signal, rolled_back, stopped, problem, notes, pid, pid_started, machine, boot, numbering)
  VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
  ON CONFLICT(id) DO UPDATE SET command=?2, goal=?3, tag=?4, dest=?5, source=?6, origin=?7,
    updated_at_ms=?9, signal=?10, rolled_back=?11, stopped=?12, problem=?13, notes=?14)sql";

constexpr const char* update_host_sql = R"sql(
  UPDATE hosts SET address=?3, state=?4, good=?5, failed_in=?6, failure=?7, reason=?8, live_tag=?9,
    previous_tag=?10, reached_s=?11, staged_s=?12, activated_s=?13, checked_s=?14,
    fetched_bytes=?15, resumed_bytes=?16, fed_bytes=?17, wave=?18, notes=?19, complete_s=?20
  WHERE deploy=?1 AND name=?2)sql";

constexpr const char* insert_host_sql = R"sql(
  INSERT INTO hosts(deploy, name, address, state, good, failed_in, failure, reason, live_tag,
    previous_tag, reached_s, staged_s, activated_s, checked_s, fetched_bytes, resumed_bytes,
    fed_bytes, wave, notes, complete_s, position)
  VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?))sql";

std::string to_text(const std::vector<std::string>& notes) {
  return nlohmann::json(notes).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The columns that both statements begin with.
void bind_host(Statement& statement, std::int64_t number, const HostReport& host, Goal goal) {
  std::optional<std::string_view> phase;
  if (host.failed_in) phase = phase_name(*host.failed_in);
  std::optional<std::string_view> failure;
  if (host.failure) failure = events::error_kind_name(*host.failure);
  statement.bind(number)
      .bind(host.name)
      .bind(host.address)
      .bind(state_name(host.state))
      .bind(is_good(host, goal))
      .bind(phase)
      .bind(failure)
      .bind(host.reason)
      .bind(host.live_tag)
      .bind(host.previous_tag)
      .bind(host.reached_s)
      .bind(host.staged_s)
      .bind(host.activated_s)
      .bind(host.checked_s)
      .bind(host.fetched_bytes)
      .bind(host.resumed_bytes)
      .bind(host.fed_bytes)
      .bind(std::uint64_t{host.wave})
      .bind(to_text(host.notes))
      .bind(host.complete_s);
}

}  // namespace

RecordWriter::RecordWriter(Database& database, ProcessIdentity process)
    : database_(database),
      process_(std::move(process)),
      put_deploy_(database, put_deploy_sql),
      number_(database, "SELECT number FROM deploys WHERE id=?"),
      touch_(database, "UPDATE deploys SET updated_at_ms=?2 WHERE id=?1"),
      update_host_(database, update_host_sql),
      insert_host_(database, insert_host_sql),
      next_position_(database, "SELECT coalesce(max(position) + 1, 0) FROM hosts WHERE deploy=?"),
      insert_log_(database,
                  "INSERT INTO logs(deploy, host, seconds, source, text) VALUES(?, ?, ?, ?, ?)"),
      end_(database, "UPDATE deploys SET seconds=?2, exit_status=?3 WHERE id=?1") {}

std::int64_t RecordWriter::number_of(const std::string& deploy) {
  if (deploy == last_deploy_) return last_number_;
  std::int64_t number = 0;
  number_.bind(deploy);
  while (number_.next()) number = number_.integer(0);
  if (number != 0) {
    last_deploy_ = deploy;
    last_number_ = number;
  }
  return number;
}

void RecordWriter::put(const FleetReport& report, std::int64_t now_ms) {
  put_deploy_.bind(report.deploy)
      .bind(report.command)
      .bind(goal_name(report.goal))
      .bind(report.tag)
      .bind(report.dest)
      .bind(report.source)
      .bind(report.origin)
      .bind(report.started_at_ms)
      .bind(now_ms)
      .bind(report.signal)
      .bind(report.rolled_back)
      .bind(report.stopped)
      .bind(report.problem)
      .bind(to_text(report.notes))
      .bind(process_.pid)
      .bind(process_.started)
      .bind(process_.machine)
      .bind(process_.boot)
      .bind(process_.numbering)
      .run();
  const std::int64_t number = number_of(report.deploy);
  for (std::size_t i = 0; i < report.hosts.size(); ++i)
    put_row(number, report.hosts[i], report.goal, static_cast<std::int64_t>(i));
}

void RecordWriter::put_host(const std::string& deploy, const HostReport& host, Goal goal) {
  const std::int64_t number = number_of(deploy);
  if (number != 0) put_row(number, host, goal, -1);
}

void RecordWriter::touch(const std::string& deploy, std::int64_t now_ms) {
  touch_.bind(deploy).bind(now_ms).run();
}

/// A negative position: after the others, where it is new.
void RecordWriter::put_row(std::int64_t number, const HostReport& host, Goal goal,
                           std::int64_t position) {
  bind_host(update_host_, number, host, goal);
  update_host_.run();
  if (database_.changes() > 0) return;
  if (position < 0) {
    next_position_.bind(number);
    while (next_position_.next()) position = next_position_.integer(0);
  }
  bind_host(insert_host_, number, host, goal);
  insert_host_.bind(position).run();
}

void RecordWriter::add_log(const std::string& deploy, const std::string& host, double seconds,
                           const std::string& source, const std::string& text) {
  const std::int64_t number = number_of(deploy);
  if (number == 0) return;
  insert_log_.bind(number).bind(host).bind(seconds).bind(source).bind(text).run();
}

void RecordWriter::end(const std::string& deploy, double seconds, int exit_status) {
  end_.bind(deploy).bind(seconds).bind(exit_status).run();
}

void RecordWriter::prune(const RecordLimits& limits, const std::string& keep, std::int64_t now_ms) {
  const std::int64_t kept = number_of(keep);
  const auto used_bytes = [&] {
    const std::int64_t pages =
        database_.value_of("PRAGMA page_count") - database_.value_of("PRAGMA freelist_count");
    return static_cast<std::uint64_t>(pages * database_.value_of("PRAGMA page_size"));
  };
  struct Row {
    std::int64_t number;
    std::int64_t started_at_ms;
    bool has_ended;
    ProcessIdentity process;
  };
  std::vector<Row> oldest_first;
  Statement all(database_, R"sql(
    SELECT number, started_at_ms, exit_status IS NOT NULL, pid, pid_started, machine, boot, numbering
    FROM deploys ORDER BY started_at_ms, number)sql");
  while (all.next())
    oldest_first.push_back(
        {all.integer(0),
         all.integer(1),
         all.integer(2) != 0,
         {all.integer(3), all.integer(4), all.text(5), all.text(6), all.text(7)}});
  const std::int64_t too_old = now_ms - limits.days * 24 * 3600 * 1000;
  std::size_t count = oldest_first.size();
  for (const Row& row : oldest_first) {
    if (row.started_at_ms >= too_old && count <= limits.deploys && used_bytes() <= limits.bytes)
      break;
    const bool runs = !row.has_ended && standing_of(row.process) == ProcessStanding::runs;
    if (row.number == kept || runs) continue;
    remove(row.number);
    --count;
  }
}

void RecordWriter::remove(std::int64_t number) {
  for (const char* sql : {"DELETE FROM logs WHERE deploy=?", "DELETE FROM hosts WHERE deploy=?",
                          "DELETE FROM deploys WHERE number=?"})
    Statement(database_, sql).bind(number).run();
}

}  // namespace murder::fleet
