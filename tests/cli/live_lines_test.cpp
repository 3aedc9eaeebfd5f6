#include "cli/live_lines.hpp"

#include <gtest/gtest.h>
#include <sstream>

namespace murder::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Instant start = Instant(std::chrono::hours(1));

/// As much of a terminal as LiveLines needs: what is on the screen after bytes were written to it.
class Screen {
 public:
  void write(std::string_view bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const char c = bytes[i];
      if (c == '\n') {
        ++row_;
        column_ = 0;
      } else if (c == '\r') {
        column_ = 0;
      } else if (c == '\x1b') {
        const std::size_t end = bytes.find_first_of("ABCDEFGHJKSTm", i);
        escape(bytes.substr(i + 2, end - i - 2), bytes[end]);
        i = end;
      } else {
        put(c);
      }
    }
  }

  /// The rows with something on them.
  std::vector<std::string> rows() const {
    std::vector<std::string> out = rows_;
    while (!out.empty() && out.back().empty()) out.pop_back();
    return out;
  }

 private:
  void put(char c) {
    rows_.resize(std::max(rows_.size(), row_ + 1));
    std::string& row = rows_[row_];
    row.resize(std::max(row.size(), column_ + 1), ' ');
    row[column_++] = c;
  }
  void escape(std::string_view parameters, char command) {
    rows_.resize(std::max(rows_.size(), row_ + 1));
    if (command == 'A') row_ -= std::stoul(std::string(parameters));
    if (command == 'K' || command == 'J') rows_[row_].resize(std::min(rows_[row_].size(), column_));
    if (command == 'J') rows_.resize(row_ + 1);
  }

  std::vector<std::string> rows_;
  std::size_t row_ = 0;
  std::size_t column_ = 0;
};

struct OnTerminal : testing::Test {
  Screen screen;
  std::size_t writes = 0;
  LiveLines lines{Terminal{.redraws = true, .color = false, .columns = 20},
                  [this](std::string_view text) {
                    ++writes;
                    screen.write(text);
                  }};
  using Rows = std::vector<std::string>;
};

TEST_F(OnTerminal, lines_replace_those_shown_before) {
  lines.show({{"one"}, {"two, which is longer"}, {"three"}}, start);
  EXPECT_EQ(screen.rows(), (Rows{"one", "two, which is long…", "three"}));
  lines.show({{"1"}, {"2"}}, start + seconds(1));
  EXPECT_EQ(screen.rows(), (Rows{"1", "2"}));
  lines.clear();
  EXPECT_EQ(screen.rows(), Rows{});
}

TEST_F(OnTerminal, a_printed_line_stays_above) {
  lines.show({{"half"}, {"slow"}}, start);
  lines.print("host-03 failed");
  lines.show({{"whole"}}, start + seconds(1));
  EXPECT_EQ(screen.rows(), (Rows{"host-03 failed", "whole"}));
}

TEST_F(OnTerminal, what_others_write_is_not_drawn_over) {
  lines.show({{"one"}, {"two"}}, start);
  screen.write("12:04 warning: a line of the log\n");
  lines.show({{"uno"}, {"due"}}, start + seconds(1));
  EXPECT_EQ(screen.rows(), (Rows{"12:04 warning: a line of the log", "uno", "due"}));
}

TEST_F(OnTerminal, is_drawn_on_at_most_ten_times_a_second) {
  for (int ms = 0; ms < 1000; ++ms) lines.show({{std::to_string(ms)}}, start + milliseconds(ms));
  EXPECT_EQ(writes, 10u);
}

TEST_F(OnTerminal, styles_are_put_around_what_was_cut) {
  std::string written;
  LiveLines colored{Terminal{.redraws = true, .color = true, .columns = 6},
                    [&](std::string_view text) { written += text; }};
  colored.show({{"failed: why", Style::bad}}, start);
  EXPECT_NE(written.find("\x1b[31mfail…\x1b[0m"), std::string::npos) << written;
}

struct InPipe : testing::Test {
  std::string written;
  LiveLines lines{Terminal{}, [this](std::string_view text) { written += text; }};
};

TEST_F(InPipe, the_first_line_comes_every_five_seconds_without_escapes) {
  for (int s = 0; s <= 11; ++s)
    lines.show({{"at " + std::to_string(s)}, {"a detail", Style::bad}}, start + seconds(s));
  EXPECT_EQ(written, "at 5\nat 10\n");
}

TEST_F(InPipe, what_did_not_change_is_not_said_again) {
  for (int s = 0; s <= 60; ++s) lines.show({{"serving"}}, start + seconds(s));
  EXPECT_EQ(written, "serving\n");
}

TEST_F(InPipe, what_is_printed_comes_at_once) {
  lines.show({{"half"}}, start);
  lines.print("done");
  lines.clear();
  EXPECT_EQ(written, "done\n");
}

}  // namespace
}  // namespace murder::cli
