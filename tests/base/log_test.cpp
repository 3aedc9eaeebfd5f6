#include "base/log.hpp"

#include <gtest/gtest.h>
#include <string>

namespace murder {
namespace {

TEST(Log, writes_lines_of_its_level_and_above_to_stderr) {
  testing::internal::CaptureStderr();
  Log log(LogLevel::info);
  const int count = 3;
  log.debug("unseen {}", count);
  log.info("{} of {} {}", count, 7, std::string("pieces"));
  Log copy = log;
  copy.warning("nothing to format: {{}}");
  log.error("gone: {}", "why");
  const std::string out = testing::internal::GetCapturedStderr();
  EXPECT_EQ(out.find("unseen"), std::string::npos);
  EXPECT_NE(out.find(" info: 3 of 7 pieces\n"), std::string::npos) << out;
  EXPECT_NE(out.find(" warning: nothing to format: {}\n"), std::string::npos) << out;
  EXPECT_NE(out.find(" error: gone: why\n"), std::string::npos) << out;
}

TEST(Log, silent_says_nothing) {
  testing::internal::CaptureStderr();
  Log log = Log::silent();
  log.error("unheard {}", 1);
  EXPECT_FALSE(log.enabled(LogLevel::error));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace murder
