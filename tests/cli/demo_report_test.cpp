#include "cli/demo_report.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/file.hpp"
#include "cli/processor_share.hpp"

namespace murder::cli {
namespace {

using nlohmann::json;

DemoFigures figures() {
  DemoFigures f;
  f.source = "/usr/include/boost";
  f.tag = "v2";
  f.hosts = 4;
  f.verified = 4;
  f.pack_bytes = 14'700'000;
  f.source_bytes = 147'000'000;
  f.files = 16'714;
  f.link = Rate{6.25e6};
  f.shaped = true;
  f.in_memory = true;
  f.reference = {.plain_copy_s = 2.4, .fan_out_hosts = 3, .fan_out_s = 7.2};
  f.first_deploy_s = 8.5;
  f.second_deploy_s = 4.5;
  f.waves = {1, 1, 2};
  f.reached_s = {0.2, 0.3, 0.4, 0.5};
  f.live_s = {4, 4.1, 4.2, 4.3};
  f.fetch_begins_s = 0.75;
  f.complete_s = {2.4, 2.5, 2.6, 2.64};
  f.staged_s = {2.5, 2.6, 2.7, 2.8};
  f.seeder_copies = 1.04;
  f.control_copies = 1.02;
  f.transfer_busy = 0.61;
  f.staging_busy = 0.9;
  return f;
}

json summary(const DemoFigures& f) { return json::parse(to_json_line(summary_of(f), 1.5)); }

TEST(DemoReport, the_ratio_is_the_last_host_by_the_plain_copy) {
  EXPECT_NEAR(*figures().last_ratio(), 1.1, 1e-9);
  EXPECT_NEAR(summary(figures())["last_ratio"].get<double>(), 1.1, 1e-6);
  EXPECT_NE(report_of(figures()).find("last / plain copy  1.10\n"), std::string::npos);
}

TEST(DemoReport, there_is_no_ratio_when_a_host_failed) {
  DemoFigures f = figures();
  f.verified = 3;
  f.complete_s.pop_back();
  EXPECT_FALSE(f.last_ratio());
  EXPECT_TRUE(summary(f).at("last_ratio").is_null());
  EXPECT_NE(report_of(f).find("hosts verified     3 of 4"), std::string::npos) << report_of(f);
}

TEST(DemoReport, no_host_at_all_leaves_no_figure_and_no_crash) {
  DemoFigures f = figures();
  f.verified = 0;
  f.complete_s.clear();
  f.staged_s.clear();
  f.reached_s.clear();
  f.live_s.clear();
  f.waves.clear();
  f.seeder_copies.reset();
  f.control_copies.reset();
  f.transfer_busy.reset();
  f.staging_busy.reset();
  const json event = summary(f);
  for (const char* field : {"first_complete_seconds", "median_staged_seconds", "last_ratio",
                            "last_live_seconds", "seeder_copies", "transfer_busy_share"})
    EXPECT_TRUE(event.at(field).is_null()) << field;
  EXPECT_NE(report_of(f).find("first -, median -, last -"), std::string::npos);
}

TEST(DemoReport, times_of_the_transfer_are_counted_from_when_the_first_host_fetched) {
  DeployOutcome deployed;
  deployed.seconds = 6;
  deployed.fetch_begins_s = 1;
  deployed.hosts.resize(4);
  const double later[] = {0, 0.5, 0.25, 0};
  for (std::size_t i = 0; i < 3; ++i) {
    deployed.hosts[i].reached_s = 0.5 + later[i];
    deployed.hosts[i].complete_s = 3 + later[i];
    deployed.hosts[i].staged_s = 4 + later[i];
  }
  deployed.hosts[0].wave = 1;
  deployed.hosts[0].activated_s = 5;
  deployed.hosts[1].wave = deployed.hosts[2].wave = 2;
  DemoFigures f;
  f.take(deployed);
  EXPECT_EQ(f.second_deploy_s, 6);
  EXPECT_EQ(f.waves, (std::vector<std::size_t>{1, 2}));
  EXPECT_EQ(f.reached_s, (std::vector<double>{0.5, 0.75, 1}));
  EXPECT_EQ(f.complete_s, (std::vector<double>{2, 2.25, 2.5}));
  EXPECT_EQ(f.staged_s, (std::vector<double>{3, 3.25, 3.5}));
  EXPECT_EQ(f.live_s, (std::vector<double>{5}));
}

TEST(DemoReport, waves_are_told_and_whether_they_went_back) {
  EXPECT_NE(report_of(figures()).find("second deploy      4.5 s, switched in 3 waves of 1, 1 and 2 "
                                      "hosts\n"),
            std::string::npos)
      << report_of(figures());
  DemoFigures f = figures();
  f.waves = {1, 1};
  f.unwell = "host-02";
  f.went_back = true;
  EXPECT_NE(report_of(f).find("waves of 1 and 1 hosts; then host-02 was unwell, and all of these "
                              "went back\n"),
            std::string::npos)
      << report_of(f);
  f.went_back = false;
  EXPECT_NE(report_of(f).find("it did not come out as it should"), std::string::npos);
}

TEST(DemoReport, what_was_computed_is_said_to_be) {
  EXPECT_NEAR(figures().reference.fan_out_to(4), 9.6, 1e-9);
  EXPECT_NE(report_of(figures()).find("9.6 s to all 4 (measured for 3 hosts: 7.2 s; computed for "
                                      "4)"),
            std::string::npos)
      << report_of(figures());
  DemoFigures f = figures();
  f.hosts = 3;
  EXPECT_NE(report_of(f).find("7.2 s to all 3 (measured)"), std::string::npos);
}

TEST(DemoReport, a_busy_machine_is_said_to_have_set_the_pace) {
  EXPECT_EQ(summary(figures())["pace_set_by"], "link");
  EXPECT_EQ(report_of(figures()).find("set the pace"), std::string::npos);
  DemoFigures f = figures();
  f.transfer_busy = 0.86;
  EXPECT_EQ(summary(f)["pace_set_by"], "machine");
  EXPECT_NE(report_of(f).find("this machine set the pace, not the link"), std::string::npos);
}

TEST(DemoReport, without_links_no_link_is_spoken_of) {
  DemoFigures f = figures();
  f.shaped = false;
  EXPECT_TRUE(summary(f).at("link_bytes_per_s").is_null());
  EXPECT_EQ(summary(f)["network"], "loopback");
  EXPECT_EQ(summary(f)["pace_set_by"], "machine");
  EXPECT_EQ(report_of(f).find("Mbit"), std::string::npos) << report_of(f);
}

TEST(DemoReport, its_page_describes_every_field_and_no_other) {
  const std::filesystem::path root = MURDER_SOURCE_DIR;
  std::istringstream page(read_file(root / "docs/demo.md"));
  std::set<std::string> described;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| `")) continue;
    const std::string names = line.substr(0, line.find(" | "));
    for (std::size_t at = 0; (at = names.find('`', at)) != std::string::npos; ++at) {
      const std::size_t end = names.find('`', at + 1);
      described.insert(names.substr(at + 1, end - at - 1));
      at = end;
    }
  }
  std::set<std::string> written;
  const json event = summary(figures());
  for (const auto& [key, value] : event.items())
    if (key != "schema" && key != "t" && key != "event") written.insert(key);
  EXPECT_EQ(written, described);
}

TEST(Median, is_the_middle_or_between_the_two_there) {
  EXPECT_EQ(median({}), std::nullopt);
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({1, 2, 9}), 2);
  EXPECT_EQ(median({1, 2, 4, 9}), 3);
}

TEST(ProcessorShare, idle_and_waiting_for_disks_is_not_busy) {
  const auto begin = ProcessorTime::parse("cpu  100 0 100 1000 50 0 0 0 0 0\ncpu0 1 1 1 1\n");
  const auto end = ProcessorTime::parse("cpu  130 5 110 1030 70 3 2 0 0 0\ncpu0 1 1 1 1\n");
  EXPECT_DOUBLE_EQ(*busy_share(begin, end), 0.5);
  EXPECT_FALSE(busy_share(begin, begin));
  EXPECT_FALSE(busy_share(end, begin));
  EXPECT_EQ(ProcessorTime::parse("intr 1 2 3\n").total, 0u);
  EXPECT_EQ(ProcessorTime::parse("").total, 0u);
}

TEST(ProcessorShare, the_kernel_s_text_is_understood) {
  const auto now = ProcessorTime::now();
  EXPECT_GT(now.total, 0u);
  EXPECT_GT(now.busy, 0u);
  EXPECT_LT(now.busy, now.total);
}

}  // namespace
}  // namespace murder::cli
