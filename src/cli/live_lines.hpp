// How lines are drawn: a few that are redrawn in place on a terminal, plain ones everywhere else.
// Knows nothing of what they say.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.hpp"
#include "cli/terminal.hpp"

namespace murder::cli {

struct LiveLine {
  std::string text;
  Style style = Style::plain;
};

/// Time is handed in, output goes where `write` puts it. One thread.
class LiveLines {
 public:
  /// Terminals are drawn on at most ten times a second; where nothing can be drawn over, a line
  /// comes every five seconds, the first after five: what is done sooner needs no progress.
  static constexpr Duration redraw_every = std::chrono::milliseconds(100);
  static constexpr Duration plain_every = std::chrono::seconds(5);

  LiveLines(Terminal terminal, std::function<void(std::string_view)> write)
      : terminal_(terminal), write_(std::move(write)) {}

  /// What stands now, the most important line first. Drawn in place of what was shown before; too
  /// soon after that, nothing is drawn. Where nothing is redrawn: the first line alone, unless it
  /// says what it said before.
  void show(const std::vector<LiveLine>& lines, Instant now);
  /// A line that stays, above the live ones, which come back with the next show().
  void print(std::string_view line);
  /// Takes the live lines away.
  void clear();
  /// The terminal was resized.
  void resize(unsigned columns) { terminal_.columns = columns; }

 private:
  void show_plain(const std::string& text, Instant now);

  Terminal terminal_;
  std::function<void(std::string_view)> write_;
  bool drawn_ = false;
  std::optional<Instant> last_;  ///< drawn, or first shown where nothing is redrawn
  std::string last_plain_;
};

}  // namespace murder::cli
