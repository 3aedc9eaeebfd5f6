// After drawing, the cursor goes back to where the first live line begins. So whatever else writes
// to the terminal (the log, a child, the echo of Ctrl-C) lands on a live line instead of behind
// one, and the next drawing starts below it.
#include "cli/live_lines.hpp"

#include <fmt/format.h>

namespace murder::cli {
namespace {

constexpr std::string_view erase_rest_of_line = "\x1b[K";
constexpr std::string_view erase_below = "\x1b[J";

}  // namespace

void LiveLines::show(const std::vector<LiveLine>& lines, Instant now) {
  if (lines.empty()) return;
  if (!terminal_.redraws) {
    show_plain(lines.front().text, now);
    return;
  }
  if (last_ && now - *last_ < redraw_every) return;
  last_ = now;
  std::string frame;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    // One column stays free: a terminal may wrap when the last one is written.
    const std::string text = fit(lines[i].text, terminal_.columns - 1);
    if (i > 0) frame += '\n';
    frame += styled(text, lines[i].style, terminal_);
    frame += erase_rest_of_line;
  }
  frame += erase_below;
  if (lines.size() > 1) frame += fmt::format("\x1b[{}A", lines.size() - 1);
  frame += '\r';
  write_(frame);
  drawn_ = true;
}

void LiveLines::show_plain(const std::string& text, Instant now) {
  if (!last_) last_ = now;
  if (now - *last_ < plain_every || text == last_plain_) return;
  last_ = now;
  last_plain_ = text;
  write_(text + "\n");
}

void LiveLines::print(std::string_view line) {
  clear();
  last_.reset();
  write_(fmt::format("{}\n", line));
}

void LiveLines::clear() {
  if (!drawn_) return;
  write_(fmt::format("\r{}", erase_below));  // the echo of Ctrl-C goes with it
  drawn_ = false;
}

}  // namespace murder::cli
