#include "fleet/record.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet/record_support.hpp"

namespace murder::fleet {
namespace {

mode_t mode_of(const fs::path& path) {
  struct stat st {};
  EXPECT_EQ(::stat(path.c_str(), &st), 0);
  return st.st_mode & 07777u;
}

TEST_F(RecordTest, what_was_recorded_is_read_back) {
  FleetReport report = numbered(1, 0);
  HostReport full;
  full.name = "web-1";
  full.address = "10.0.0.1";
  full.state = HostState::rolled_back;
  full.failed_in = Phase::check;
  full.failure = ErrorKind::failed;
  full.reason = std::string("exit\0 status \xff", 15);
  full.live_tag = "v6";
  full.previous_tag = "v6";
  full.reached_s = 0.25;
  full.complete_s = 1.25;
  full.staged_s = 1.5;
  full.activated_s = 2;
  full.checked_s = 0;
  full.fetched_bytes = 1ull << 40;
  full.resumed_bytes = 2;
  full.fed_bytes = 3;
  full.wave = 4;
  full.notes = {"fed over ssh", "noexec"};
  report.hosts = {full, host("web-2", HostState::healthy)};
  report.rolled_back = true;
  report.stopped = true;
  report.problem = "1 host failed";
  report.signal = SIGTERM;
  report.notes = {"origin lost"};
  record(report, 143);
  EXPECT_TRUE(warnings.empty());

  const auto found = history().find(id(1));
  ASSERT_TRUE(found);
  EXPECT_EQ(to_json(found->report), to_json(report));
  EXPECT_EQ(found->report.hosts[0].reason, full.reason);
  EXPECT_EQ(found->row.standing, Standing::ended);
  EXPECT_EQ(found->row.exit_status, 143);
  EXPECT_EQ(found->row.seconds, report.seconds);
  EXPECT_EQ(found->row.hosts, 2u);
  EXPECT_EQ(found->row.good, 1u);
  EXPECT_EQ(found->row.failed, 1u);
}

TEST_F(RecordTest, a_deploy_can_be_watched_while_it_runs) {
  Record record = open();
  record.begin(numbered(1, 3));
  HostReport changed = host("web-002", HostState::staged);
  changed.staged_s = 3;
  record.update_host(id(1), changed);
  record.update_host(id(1), host("late", HostState::reached));
  record.flush();
  now_ms += 5000;
  const auto found = history().find(id(1));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->row.standing, Standing::running);
  EXPECT_EQ(found->row.pid, ::getpid());
  EXPECT_FALSE(found->row.exit_status);
  EXPECT_DOUBLE_EQ(found->row.seconds, 4.999);
  ASSERT_EQ(found->report.hosts.size(), 4u);
  EXPECT_EQ(found->report.hosts[1].state, HostState::staged);
  EXPECT_EQ(found->report.hosts[1].staged_s, 3);
  EXPECT_EQ(found->report.hosts[3].name, "late");
}

TEST_F(RecordTest, a_deploy_whose_process_is_gone_was_interrupted) {
  const pid_t child = ::fork();
  if (child == 0) {
    Record record = open();
    record.begin(numbered(1));
    record.flush();
    ::_exit(record.works() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto rows = history().deploys(10);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].standing, Standing::interrupted);
  EXPECT_EQ(rows[0].pid, child);
}

TEST_F(RecordTest, processes_that_write_at_once_lose_nothing) {
  constexpr int processes = 4;
  constexpr int deploys = 5;
  std::array<pid_t, processes> children{};
  for (int p = 0; p < processes; ++p) {
    children[static_cast<std::size_t>(p)] = ::fork();
    if (children[static_cast<std::size_t>(p)] != 0) continue;
    for (int d = 0; d < deploys; ++d) {
      RecordOptions options;
      options.path = path;
      options.write_every = Duration::zero();
      options.wait_for_locks = options.patience = std::chrono::seconds(60);
      bool warned = false;
      Record record = Record::open(options, [&](const std::string&) { warned = true; });
      FleetReport report = numbered(p * deploys + d, 50);
      record.begin(report);
      for (HostReport& each : report.hosts) {
        each.state = HostState::healthy;
        record.update_host(report.deploy, each);
        record.log(report.deploy, each.name, "check", "well");
      }
      record.finish(report, 0);
      if (warned) ::_exit(1);
    }
    ::_exit(0);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  History all = history();
  const auto rows = all.deploys(100);
  EXPECT_EQ(rows.size(), std::size_t{processes * deploys});
  for (const DeployRow& row : rows) {
    EXPECT_EQ(row.good, 50u);
    EXPECT_EQ(all.logged_hosts(row.id).size(), 50u);
  }
}

TEST_F(RecordTest, nobody_else_can_read_it) {
  const mode_t before = ::umask(0);
  record(numbered(1));
  ::umask(before);
  EXPECT_EQ(mode_of(path), 0600u);
  EXPECT_EQ(mode_of(path.parent_path()), 0700u);
}

// --- logs ----------------------------------------------------------------------------------------

TEST_F(RecordTest, logs_are_kept_in_their_order_for_each_host) {
  Record record = open();
  record.begin(numbered(1));
  record.log(id(1), "web-001", "pre-activate", std::string("one\n\0two\xff", 9));
  record.log(id(1), "web-002", "check", "three");
  record.log(id(1), "web-001", "check", "four");
  record.log("no such deploy", "web-001", "check", "five");
  record.flush();
  const auto lines = history().logs(id(1), "web-001");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].text, std::string("one\n\0two\xff", 9));
  EXPECT_EQ(lines[0].source, "pre-activate");
  EXPECT_EQ(lines[1].text, "four");
  const auto hosts = history().logged_hosts(id(1));
  ASSERT_EQ(hosts.size(), 2u);
  EXPECT_EQ(hosts[0].host, "web-001");
  EXPECT_EQ(hosts[0].entries, 2u);
  EXPECT_EQ(hosts[0].bytes, 13u);
  EXPECT_EQ(hosts[0].last_source, "check");
  EXPECT_TRUE(history().logs(id(1), "web-003").empty());
}

TEST_F(RecordTest, what_a_host_prints_is_bounded_and_the_gap_is_named) {
  Record record = open();
  record.begin(numbered(1));
  const std::string large = "BEGIN" + std::string(1'000'000, '.') + "END";
  for (int i = 0; i < 100; ++i) record.log(id(1), "web-001", "check", large);
  record.flush();
  const auto lines = history().logs(id(1), "web-001");
  ASSERT_GE(lines.size(), 2u);
  EXPECT_TRUE(lines[0].text.starts_with("BEGIN"));
  EXPECT_TRUE(lines[0].text.ends_with("END"));
  EXPECT_NE(lines[0].text.find("bytes are left out"), std::string::npos);
  EXPECT_NE(lines.back().text.find("is not kept"), std::string::npos);
  std::size_t bytes = 0;
  for (const LogLine& line : lines) bytes += line.text.size();
  EXPECT_LT(bytes, limits.log_bytes_of_host + 1000);
}

TEST_F(RecordTest, what_all_hosts_print_is_bounded) {
  limits.log_bytes_of_deploy = 100'000;
  Record record = open();
  record.begin(numbered(1, 100));
  for (int i = 1; i <= 100; ++i)
    record.log(id(1), fmt::format("web-{:03}", i), "check", std::string(5'000, '.'));
  record.flush();
  std::uint64_t bytes = 0;
  const auto hosts = history().logged_hosts(id(1));
  for (const LoggedHost& each : hosts) bytes += each.bytes;
  EXPECT_EQ(hosts.size(), 100u);
  EXPECT_LT(bytes, 110'000u);
}

// --- what is kept --------------------------------------------------------------------------------

TEST_F(RecordTest, the_oldest_deploys_go_first) {
  limits.deploys = 3;
  for (int i = 1; i <= 5; ++i) record(numbered(i));
  EXPECT_EQ(ids(), (std::vector<std::string>{id(5), id(4), id(3)}));
  Database database(path, Duration::zero());
  EXPECT_EQ(database.value_of("SELECT count(*) FROM hosts"), 6);
}

TEST_F(RecordTest, old_deploys_go_after_90_days) {
  record(numbered(1));
  now_ms += 89 * day_ms;
  record(numbered(2));
  EXPECT_EQ(ids().size(), 2u);
  now_ms += 2 * day_ms;
  FleetReport late = numbered(3);
  late.started_at_ms = now_ms;
  record(late);
  EXPECT_EQ(ids().size(), 1u);  // the second one began, by its own clock, with the first
}

TEST_F(RecordTest, the_file_does_not_grow_for_ever) {
  limits.bytes = 400'000;
  for (int i = 1; i <= 20; ++i) record(numbered(i, 500));
  EXPECT_LT(fs::file_size(path), 700'000u);
  const auto kept = ids();
  ASSERT_FALSE(kept.empty());
  EXPECT_EQ(kept.front(), id(20));
  EXPECT_LT(kept.size(), 18u);
}

TEST_F(RecordTest, what_runs_is_not_removed) {
  limits.deploys = 1;
  Record running = open();
  running.begin(numbered(1));
  running.flush();
  record(numbered(2));
  record(numbered(3));
  EXPECT_EQ(ids(), (std::vector<std::string>{id(3), id(1)}));
}

TEST_F(RecordTest, five_thousand_hosts_are_recorded) {
  FleetReport report = numbered(1, 5000);
  Record record = open();
  const auto timed = [&](const char* what, const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    record.flush();
    RecordProperty(what, fmt::format("{:.0f} ms",
                                     1000 * to_seconds(std::chrono::steady_clock::now() - begin)));
  };
  timed("begin", [&] { record.begin(report); });
  for (const HostState state : {HostState::staged, HostState::healthy})
    timed(state_name(state).data(), [&] {
      for (HostReport& each : report.hosts) {
        each.state = state;
        record.update_host(report.deploy, each);
      }
    });
  timed("finish", [&] { record.finish(report, 0); });
  EXPECT_TRUE(record.works());
  EXPECT_EQ(history().deploys(1).front().good, 5000u);
  EXPECT_EQ(history().find(id(1))->report.hosts.back().name, "web-5000");
}

// --- ids -----------------------------------------------------------------------------------------

TEST_F(RecordTest, an_id_may_be_shortened_while_it_is_the_only_one) {
  for (const char* each :
       {"20261122-131502-3fa2", "20261122-131502-3fb0", "20261123-080000-00a2"}) {
    FleetReport report = numbered(1);
    report.deploy = each;
    report.started_at_ms += each[7] == '3' ? day_ms : each[18] == 'b' ? 1 : 0;
    record(report);
  }
  History all = history();
  EXPECT_EQ(all.resolve(""), "20261123-080000-00a2");
  EXPECT_EQ(all.resolve("20261122-131502-3fa2"), "20261122-131502-3fa2");
  EXPECT_EQ(all.resolve("20261123"), "20261123-080000-00a2");
  EXPECT_EQ(all.resolve("3fa2"), "20261122-131502-3fa2");
  const auto refusal = [&](std::string_view part) -> std::string {
    try {
      return "found " + all.resolve(part);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
  };
  EXPECT_EQ(refusal("20261122"),
            "'20261122' may be 20261122-131502-3fb0, 20261122-131502-3fa2: give more of it");
  EXPECT_NE(refusal("99\x1b").find("no deploy 99\\x1b is recorded in "), std::string::npos);
  EXPECT_NE(refusal("99").find("the latest: 20261123-080000-00a2, "), std::string::npos);
}

TEST_F(RecordTest, without_a_file_the_history_is_empty) {
  EXPECT_TRUE(history().deploys(10).empty());
  EXPECT_TRUE(history().logged_hosts("a").empty());
  EXPECT_FALSE(history().find("a"));
  EXPECT_THROW(history().resolve(""), Error);
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace murder::fleet
