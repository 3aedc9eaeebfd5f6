#include "cli/terminal.hpp"

#include <gtest/gtest.h>

namespace murder::cli {
namespace {

TEST(Terminal, redraws_only_where_a_terminal_can) {
  EXPECT_TRUE(Terminal::judge(true, "xterm", nullptr, 80).redraws);
  EXPECT_FALSE(Terminal::judge(false, "xterm", nullptr, 80).redraws);
  EXPECT_FALSE(Terminal::judge(true, "dumb", nullptr, 80).redraws);
  EXPECT_FALSE(Terminal::judge(true, "", nullptr, 80).redraws);
  EXPECT_FALSE(Terminal::judge(true, nullptr, nullptr, 80).redraws);
}

TEST(Terminal, no_color_is_kept_to_and_an_empty_one_is_none) {
  EXPECT_TRUE(Terminal::judge(true, "xterm", nullptr, 80).color);
  EXPECT_TRUE(Terminal::judge(true, "xterm", "", 80).color);
  EXPECT_FALSE(Terminal::judge(true, "xterm", "1", 80).color);
  EXPECT_FALSE(Terminal::judge(true, "xterm", "0", 80).color);
  EXPECT_TRUE(Terminal::judge(true, "xterm", "1", 80).redraws);
  EXPECT_FALSE(Terminal::judge(false, "xterm", nullptr, 80).color);
}

TEST(Terminal, an_unknown_width_is_80) {
  EXPECT_EQ(Terminal::judge(true, "xterm", nullptr, 0).columns, 80u);
  EXPECT_EQ(Terminal::judge(true, "xterm", nullptr, 132).columns, 132u);
}

TEST(Terminal, styles_are_for_colour_alone) {
  Terminal terminal = Terminal::judge(true, "xterm", nullptr, 80);
  EXPECT_EQ(styled("no", Style::bad, terminal), "\x1b[31mno\x1b[0m");
  EXPECT_EQ(styled("yes", Style::plain, terminal), "yes");
  terminal.color = false;
  EXPECT_EQ(styled("no", Style::bad, terminal), "no");
}

TEST(Fit, cuts_characters_not_bytes) {
  EXPECT_EQ(fit("short", 10), "short");
  EXPECT_EQ(fit("exactly", 7), "exactly");
  EXPECT_EQ(fit("too long", 7), "too lo…");
  EXPECT_EQ(fit("äöüß", 4), "äöüß");
  EXPECT_EQ(fit("äöüß", 3), "äö…");
  EXPECT_EQ(fit("ab", 1), "…");
  EXPECT_EQ(fit("ab", 0), "");
  EXPECT_EQ(fit("", 5), "");
}

}  // namespace
}  // namespace murder::cli
