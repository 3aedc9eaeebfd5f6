#include "fleet/doctor.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <limits>

#include "base/units.hpp"

namespace murder::fleet {
namespace {

class Doctor : public testing::Test {
 protected:
  Doctor() {
    hello_.version = MURDER_VERSION;
    hello_.machine = "x86_64";
    examined_.filesystem = "ext4";
    examined_.free_bytes = 100_GiB;
    examined_.free_inodes = 1'000'000;
    examined_.descriptors = 1024;
    examined_.memory_bytes = 8_GiB;
    examined_.processors = 4;
    examined_.fetchers = {"curl"};
  }
  Finding find(const std::string& what) const {
    const auto findings = judge(hello_, examined_, clock_offset_s_, needs_);
    const auto found = std::find_if(findings.begin(), findings.end(),
                                    [&](const Finding& finding) { return finding.what == what; });
    if (found == findings.end()) return {Severity::fine, "", "not looked at", ""};
    EXPECT_EQ(found->severity == Severity::fine, found->way_out.empty()) << what;
    return *found;
  }
  Severity severity(const std::string& what) const { return find(what).severity; }

  orders::Hello hello_;
  orders::Examined examined_;
  double clock_offset_s_ = 0.2;
  Needs needs_;
};

TEST_F(Doctor, finds_nothing_where_nothing_is_wrong) {
  for (const Finding& finding : judge(hello_, examined_, clock_offset_s_, needs_))
    EXPECT_EQ(finding.severity, Severity::fine) << finding.what << ": " << finding.found;
}

TEST_F(Doctor, says_which_version_is_there_if_it_is_another) {
  hello_.version = "0.0.9";
  EXPECT_EQ(severity("murder"), Severity::warning);
  EXPECT_EQ(find("murder").found, "0.0.9");
}

TEST_F(Doctor, room_where_nothing_is_known_of_the_release) {
  examined_.free_bytes = 500_MiB;
  EXPECT_EQ(severity("room"), Severity::warning);
  EXPECT_NE(find("room").way_out.find("--for"), std::string::npos);
  examined_.free_bytes = 98'000;
  EXPECT_EQ(severity("room"), Severity::problem);
}

TEST_F(Doctor, room_is_judged_by_what_is_needed_before_all) {
  examined_.free_bytes = 50_MiB;
  examined_.live = "v1";
  examined_.live_bytes = 100_MiB;
  EXPECT_EQ(severity("room"), Severity::problem);
  EXPECT_NE(find("room").found.find("v1, which is live, took 105 MB"), std::string::npos)
      << find("room").found;
  needs_.bytes = 40_MiB;
  EXPECT_EQ(severity("room"), Severity::fine);
  needs_.bytes = 60_MiB;
  EXPECT_EQ(severity("room"), Severity::problem);
}

TEST_F(Doctor, inodes) {
  examined_.free_inodes = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(find("inodes").found, "no limit");
  examined_.free_inodes = 5'000;
  EXPECT_EQ(severity("inodes"), Severity::warning);
  needs_.entries = 4'000;
  EXPECT_EQ(severity("inodes"), Severity::fine);
  needs_.entries = 6'000;
  EXPECT_EQ(severity("inodes"), Severity::problem);
  needs_ = {};
  examined_.free_inodes = 0;
  EXPECT_EQ(severity("inodes"), Severity::problem);
}

TEST_F(Doctor, clocks_both_ways) {
  clock_offset_s_ = -365 * 86400.0;
  EXPECT_EQ(severity("clock"), Severity::warning);
  EXPECT_NE(find("clock").found.find("behind"), std::string::npos);
  clock_offset_s_ = 61;
  EXPECT_NE(find("clock").found.find("ahead of"), std::string::npos);
  clock_offset_s_ = 59;
  EXPECT_EQ(severity("clock"), Severity::fine);
}

TEST_F(Doctor, limits_of_the_session) {
  examined_.descriptors = 256;
  EXPECT_EQ(severity("open files"), Severity::warning);
  examined_.descriptors = 32;
  EXPECT_EQ(severity("open files"), Severity::problem);
  EXPECT_EQ(find("file size").found, "not looked at") << "there is no limit";
  examined_.file_bytes = 10_MiB;
  EXPECT_EQ(severity("file size"), Severity::warning);
  needs_.largest_file = 11_MiB;
  EXPECT_EQ(severity("file size"), Severity::problem);
  examined_.memory_bytes = 10_MiB;
  EXPECT_EQ(severity("memory"), Severity::warning);
  examined_.fetchers.clear();
  EXPECT_EQ(severity("fetching"), Severity::warning);
}

TEST_F(Doctor, the_destination) {
  examined_.noexec = true;
  EXPECT_EQ(severity("destination"), Severity::warning);
  examined_.dest_problem = "cannot write into /srv: Permission denied";
  EXPECT_EQ(severity("destination"), Severity::problem);
  EXPECT_EQ(find("destination").found, examined_.dest_problem);
}

}  // namespace
}  // namespace murder::fleet
