#include "agent/log_tail.hpp"

#include <deque>

#include "base/error.hpp"

namespace murder::agent {
namespace {

constexpr std::string_view prefix = "murder: ";
constexpr std::size_t max_lines = 5;
constexpr std::size_t max_line_bytes = 2000;

}  // namespace

std::string last_words(std::string_view log) {
  std::deque<std::string> lines;
  std::string error;
  while (!log.empty()) {
    const std::string_view line = log.substr(0, log.find('\n'));
    log.remove_prefix(std::min(log.size(), line.size() + 1));
    if (line.empty() || line.front() == '{') continue;
    if (line.starts_with(prefix))
      error = printable(line.substr(prefix.size()), max_line_bytes);
    else
      lines.push_back(printable(line, max_line_bytes));
    if (lines.size() > max_lines) lines.pop_front();
  }
  if (!error.empty()) return error;
  std::string all;
  for (const std::string& line : lines) all += (all.empty() ? "" : "; ") + line;
  return all;
}

}  // namespace murder::agent
