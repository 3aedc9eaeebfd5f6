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
  f.tag = "4f1c09ab77de";
  f.hosts = 4;
  f.verified = 4;
  f.pack_bytes = 14'700'000;
  f.source_bytes = 147'000'000;
  f.files = 16'714;
  f.link = Rate{6.25e6};
  f.shaped = true;
  f.in_memory = true;
  f.reference = {.plain_copy_s = 2.4, .fan_out_hosts = 3, .fan_out_s = 7.2};
  f.complete_s = {2.4, 2.5, 2.6, 2.64};
  f.staged_s = {2.5, 2.6, 2.7, 2.8};
  f.seeder_copies = 1.04;
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
  f.seeder_copies.reset();
  f.transfer_busy.reset();
  f.staging_busy.reset();
  const json event = summary(f);
  for (const char* field : {"first_complete_seconds", "median_staged_seconds", "last_ratio",
                            "seeder_copies", "transfer_busy_share"})
    EXPECT_TRUE(event.at(field).is_null()) << field;
  EXPECT_NE(report_of(f).find("first -, median -, last -"), std::string::npos);
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
  const auto root = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
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
