#include "cli/control_machine.hpp"

#include <gtest/gtest.h>

namespace murder::cli {
namespace {

TEST(Typed, a_shell_takes_it_as_it_is) {
  EXPECT_EQ(typed({"deploy", "/usr/include/boost", "--waves", "1,25%,100%"}),
            "murder deploy /usr/include/boost --waves 1,25%,100%");
  EXPECT_EQ(typed({"--check", "test ! -e $MURDER_DEST/unwell"}),
            "murder --check 'test ! -e $MURDER_DEST/unwell'");
  EXPECT_EQ(typed({"it's", "", "~"}), R"(murder 'it'\''s' '' '~')");
}

TEST(Deployed, processors_are_looked_at_nearest_to_the_times) {
  ControlMachine::Deployed deployed;
  EXPECT_FALSE(deployed.busy_share(0, 1));
  deployed.outcome.began_at = 100;
  deployed.processors = {{100.0, {.busy = 0, .total = 0}},
                         {101.0, {.busy = 100, .total = 100}},
                         {102.0, {.busy = 150, .total = 200}},
                         {103.0, {.busy = 150, .total = 300}}};
  EXPECT_EQ(deployed.busy_share(0.1, 0.9), 1);
  EXPECT_EQ(deployed.busy_share(1.2, 1.8), 0.5);
  EXPECT_EQ(deployed.busy_share(0.6, 9), 0.25);
  EXPECT_FALSE(deployed.busy_share(0.1, 0.2));
}

}  // namespace
}  // namespace murder::cli
