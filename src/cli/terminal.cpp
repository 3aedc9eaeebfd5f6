#include "cli/terminal.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace murder::cli {
namespace {

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }

}  // namespace

Terminal Terminal::of(int fd) {
  winsize size{};
  const bool known = ::ioctl(fd, TIOCGWINSZ, &size) == 0;
  return judge(::isatty(fd) == 1, std::getenv("TERM"), std::getenv("NO_COLOR"),
               known ? size.ws_col : 0);
}

Terminal Terminal::judge(bool is_tty, const char* term, const char* no_color, unsigned columns) {
  Terminal terminal;
  const std::string_view kind = term != nullptr ? term : "";
  terminal.redraws = is_tty && !kind.empty() && kind != "dumb";
  const bool refused = no_color != nullptr && *no_color != '\0';
  terminal.color = terminal.redraws && !refused;
  if (columns > 0) terminal.columns = columns;
  return terminal;
}

std::string styled(std::string_view text, Style style, const Terminal& terminal) {
  if (!terminal.color || style == Style::plain) return std::string(text);
  const std::string_view code = style == Style::bad ? "31" : style == Style::good ? "32" : "2";
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string fit(std::string_view text, unsigned columns) {
  if (columns == 0) return {};
  unsigned seen = 0;
  std::size_t keep = 0;  // bytes of the first columns - 1 characters
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!begins_character(text[i])) continue;
    if (++seen == columns) keep = i;
    if (seen > columns) return std::string(text.substr(0, keep)) + "…";
  }
  return std::string(text);
}

}  // namespace murder::cli
