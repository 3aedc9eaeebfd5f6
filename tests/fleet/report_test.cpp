#include "fleet/report.hpp"

#include <csignal>
#include <filesystem>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/file.hpp"
#include "fleet/deploy_id.hpp"
#include "fleet/reports.hpp"

namespace murder::fleet {
namespace {

using nlohmann::json;

constexpr HostState every_state[] = {
    HostState::waiting,      HostState::reached,   HostState::staging,     HostState::staged,
    HostState::activated,    HostState::healthy,   HostState::rolled_back, HostState::failed,
    HostState::not_switched, HostState::unchanged, HostState::placed,      HostState::unknown};
constexpr Goal every_goal[] = {Goal::answered, Goal::staged,      Goal::activated,
                               Goal::healthy,  Goal::rolled_back, Goal::placed};

HostReport good() { return host("good", HostState::healthy); }
HostReport unreachable() {
  return failed("gone", Phase::reach, ErrorKind::unreachable, "connection refused");
}
HostReport broken() { return failed("bad", Phase::check, ErrorKind::failed, "exit status 1"); }
HostReport tampered() {
  return failed("evil", Phase::stage, ErrorKind::integrity, "digest differs");
}
HostReport refused() {
  return failed("other", Phase::stage, ErrorKind::usage, "v7 is there with other bytes");
}

int status(std::vector<HostReport> hosts) {
  return exit_status(fleet(Goal::healthy, std::move(hosts)));
}

TEST(ExitStatus, of_what_ended_as_a_whole) {
  FleetReport report = fleet(Goal::activated, many(2, HostState::not_switched));
  report.error = ErrorKind::failed;
  EXPECT_EQ(exit_status(report), 1);
  report.hosts[0].state = HostState::unchanged;
  EXPECT_EQ(exit_status(report), 3);
  report.error = ErrorKind::usage;
  EXPECT_EQ(exit_status(report), 2);
  report.goal = Goal::answered;
  report.error = ErrorKind::failed;
  EXPECT_EQ(exit_status(report), 1) << "that they answered does not make it good";
  report.signal = SIGINT;
  EXPECT_EQ(exit_status(report), 130);
}

TEST(ExitStatus, all_good_is_0) {
  EXPECT_EQ(status({}), 0);
  EXPECT_EQ(status({good()}), 0);
  EXPECT_EQ(status({good(), host("b", HostState::unchanged)}), 0);
}

TEST(ExitStatus, some_good_is_3_whatever_the_causes) {
  EXPECT_EQ(status({good(), broken()}), 3);
  EXPECT_EQ(status({good(), unreachable()}), 3);
  EXPECT_EQ(status({good(), tampered()}), 3);
  EXPECT_EQ(status({good(), refused()}), 3);
  EXPECT_EQ(status({good(), host("b", HostState::not_switched)}), 3);
  EXPECT_EQ(status({good(), host("b", HostState::unknown)}), 3);
}

TEST(ExitStatus, none_good_says_why) {
  EXPECT_EQ(status({broken()}), 1);
  EXPECT_EQ(status({host("a", HostState::not_switched)}), 1);
  EXPECT_EQ(status({unreachable()}), 4);
  EXPECT_EQ(status({unreachable(), unreachable()}), 4);
  EXPECT_EQ(status({unreachable(), broken()}), 1);
  EXPECT_EQ(status({unreachable(), host("b", HostState::waiting)}), 1);
  EXPECT_EQ(status({tampered()}), 5);
  EXPECT_EQ(status({tampered(), unreachable(), broken(), refused()}), 5);
  EXPECT_EQ(status({refused(), refused()}), 2);
  EXPECT_EQ(status({refused(), broken()}), 1);
}

TEST(ExitStatus, rolled_back_is_1_and_a_signal_goes_before_all) {
  FleetReport report = fleet(Goal::healthy, {good(), broken()});
  report.rolled_back = true;
  EXPECT_EQ(exit_status(report), 1);
  report.signal = SIGINT;
  EXPECT_EQ(exit_status(report), 130);
  report.signal = SIGTERM;
  EXPECT_EQ(exit_status(report), 143);
  report.signal = SIGHUP;
  EXPECT_EQ(exit_status(report), 143);
  report = fleet(Goal::healthy, {good()});
  report.signal = SIGINT;
  EXPECT_EQ(exit_status(report), 130);
}

TEST(ExitStatus, what_is_good_depends_on_what_was_asked_for) {
  const auto good_states = [](Goal goal) {
    std::string names;
    for (const HostState state : every_state)
      if (is_good(host("a", state), goal))
        names += (names.empty() ? "" : " ") + std::string(state_name(state));
    return names;
  };
  EXPECT_EQ(good_states(Goal::answered),
            "reached staging staged activated healthy rolled_back not_switched unchanged placed");
  EXPECT_EQ(good_states(Goal::staged), "staged activated healthy not_switched unchanged");
  EXPECT_EQ(good_states(Goal::activated), "activated healthy unchanged");
  EXPECT_EQ(good_states(Goal::healthy), "healthy unchanged");
  EXPECT_EQ(good_states(Goal::rolled_back), "rolled_back unchanged");
  EXPECT_EQ(good_states(Goal::placed), "unchanged placed");
}

TEST(Names, are_read_back_as_what_they_name) {
  for (const HostState state : every_state) EXPECT_EQ(parse_state(state_name(state)), state);
  for (const Goal goal : every_goal) EXPECT_EQ(parse_goal(goal_name(goal)), goal);
  for (const Phase phase : {Phase::reach, Phase::bootstrap, Phase::stage, Phase::lock,
                            Phase::activate, Phase::check, Phase::rollback})
    EXPECT_EQ(parse_phase(phase_name(phase)), phase);
  for (const ErrorKind kind : {ErrorKind::failed, ErrorKind::unreachable, ErrorKind::terminated})
    EXPECT_EQ(parse_error_kind(events::error_kind_name(kind)), kind);
  EXPECT_FALSE(parse_state("well"));
  EXPECT_FALSE(parse_error_kind(""));
}

TEST(ReportJson, is_one_document_with_every_host) {
  HostReport broken_host = broken();
  broken_host.complete_s = 3.25;
  broken_host.staged_s = 3.5;
  broken_host.fetched_bytes = 14'700'312;
  broken_host.notes = {"fed over ssh"};
  FleetReport report = fleet(Goal::healthy, {good(), broken_host});
  report.notes = {"origin web-001 was lost"};
  const json document = json::parse(to_json(report));
  EXPECT_EQ(document["schema"], 1);
  EXPECT_EQ(document["deploy"], "20261122-131502-3fa2");
  EXPECT_EQ(document["started_at"], "2026-11-22T13:15:02.118Z");
  EXPECT_EQ(document["exit_status"], 3);
  EXPECT_EQ(document["signal"], nullptr);
  EXPECT_EQ(document["states"], json({{"healthy", 1}, {"failed", 1}}));
  EXPECT_EQ(document["good_count"], 1);
  ASSERT_EQ(document["hosts"].size(), 2u);
  EXPECT_EQ(document["hosts"][0]["failed_in"], nullptr);
  EXPECT_EQ(document["hosts"][0]["staged_s"], nullptr);
  EXPECT_EQ(document["hosts"][1]["failed_in"], "check");
  EXPECT_EQ(document["hosts"][1]["failure"], "failed");
  EXPECT_EQ(document["hosts"][1]["complete_s"], 3.25);
  EXPECT_EQ(document["hosts"][1]["staged_s"], 3.5);
  EXPECT_EQ(document["hosts"][1]["good"], false);
  EXPECT_EQ(document["hosts"][1]["notes"], json({"fed over ssh"}));
}

/// docs/history.md is the schema that others rely on.
TEST(ReportJson, every_field_is_documented_and_no_other) {
  const std::filesystem::path source_dir = MURDER_SOURCE_DIR;
  const std::string page = read_file(source_dir / "docs" / "history.md");
  const auto fields_in_table = [&](const std::string& head) {
    std::set<std::string> fields;
    std::istringstream lines(page.substr(page.find(head)));
    std::string line;
    while (std::getline(lines, line) && line.starts_with("|")) {
      const std::string names = line.substr(0, line.find(" | "));
      for (std::size_t at = names.find('`'); at != std::string::npos;) {
        const std::size_t end = names.find('`', at + 1);
        fields.insert(names.substr(at + 1, end - at - 1));
        at = names.find('`', end + 1);
      }
    }
    return fields;
  };
  const auto keys = [](const json& object) {
    std::set<std::string> result;
    for (const auto& [key, value] : object.items()) result.insert(key);
    return result;
  };
  const json document = json::parse(to_json(fleet(Goal::healthy, {good()})));
  EXPECT_EQ(keys(document), fields_in_table("| field | meaning |"));
  EXPECT_EQ(keys(document["hosts"][0]), fields_in_table("| field of a host | meaning |"));
  std::set<std::string> states;
  for (const HostState state : every_state) states.emplace(state_name(state));
  EXPECT_EQ(states, fields_in_table("| state | the host |"));
}

TEST(ReportJson, texts_that_are_not_utf_8_do_no_harm) {
  FleetReport report =
      fleet(Goal::healthy, {failed("a\xff", Phase::check, ErrorKind::failed, "\x1b[31m\xc3(\n")});
  report.dest = "\xff";
  EXPECT_TRUE(json::accept(to_json(report)));
}

TEST(ReportEvents, carry_what_the_report_says) {
  FleetReport report = fleet(Goal::healthy, {good(), broken(), broken()});
  report.problem = "2 hosts failed";
  const json summary = json::parse(events::to_json_line(summary_event(report), 1));
  EXPECT_EQ(summary["exit_status"], 3);
  EXPECT_EQ(summary["hosts"], 3);
  EXPECT_EQ(summary["good"], 1);
  EXPECT_EQ(summary["failed"], 2);
  EXPECT_EQ(summary["healthy"], 1);
  EXPECT_EQ(summary["problem"], "2 hosts failed");

  const json line = json::parse(events::to_json_line(to_event(broken(), Goal::healthy), 1));
  EXPECT_EQ(line["event"], "host_report");
  EXPECT_EQ(line["host"], "bad");
  EXPECT_EQ(line["phase"], "check");
  EXPECT_EQ(line["good"], false);
}

TEST(DeployId, names_the_time_and_sorts_by_it) {
  const auto at = [](std::int64_t s) {
    return std::chrono::system_clock::time_point(std::chrono::seconds(s));
  };
  Random random(7);
  const std::string id = new_deploy_id(at(1'795'353'302), random);
  EXPECT_EQ(id.substr(0, 16), "20261122-131502-");
  EXPECT_EQ(id.size(), 20u);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef", 16), std::string::npos);
  EXPECT_LT(id, new_deploy_id(at(1'795'353'303), random));
  EXPECT_NE(id, new_deploy_id(at(1'795'353'302), random));
}

}  // namespace
}  // namespace murder::fleet
