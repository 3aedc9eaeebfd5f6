// A record of a test's own, and deploys to write into it.
#pragma once

#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/temp_dir.hpp"
#include "fleet/history.hpp"
#include "fleet/record.hpp"
#include "fleet/reports.hpp"

namespace murder::fleet {

namespace fs = std::filesystem;

inline constexpr std::int64_t today_ms = 1'795'353'302'118;
inline constexpr std::int64_t day_ms = 24ll * 3600 * 1000;

inline std::string id(int number) { return fmt::format("20261122-131502-{:04x}", number); }

inline FleetReport numbered(int number, std::size_t hosts = 2) {
  FleetReport report = fleet(Goal::healthy, many(hosts, HostState::waiting));
  report.deploy = id(number);
  report.started_at_ms = today_ms + number;
  return report;
}

struct RecordTest : testing::Test {
  test::TempDir temp;
  fs::path path = temp.path() / "state" / "murder" / "history.db";
  std::vector<std::string> warnings;
  std::int64_t now_ms = today_ms;
  RecordLimits limits;

  Record open() {
    RecordOptions options;
    options.path = path;
    options.now_ms = [now = now_ms] { return now; };
    options.limits = limits;
    options.write_every = Duration::zero();
    options.wait_for_locks = std::chrono::milliseconds(1);
    options.patience = std::chrono::seconds(60);
    return Record::open(options, [this](const std::string& text) { warnings.push_back(text); });
  }
  History history() { return History::open(path, now_ms); }
  /// Records a deploy from begin to end.
  void record(const FleetReport& report, int exit_status = 0) {
    Record record = open();
    record.begin(report);
    record.finish(report, exit_status);
  }
  std::vector<std::string> ids() {
    std::vector<std::string> result;
    for (const DeployRow& row : history().deploys(1000)) result.push_back(row.id);
    return result;
  }
  void expect_one_warning(const std::string& part) {
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_NE(warnings.front().find(part), std::string::npos) << warnings.front();
  }
};

}  // namespace murder::fleet
