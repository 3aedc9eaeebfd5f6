// What the terminal at the other end can do: the one place where TTY, TERM, NO_COLOR and the width
// are looked at. Everything else asks a Terminal.
#pragma once

#include <string>
#include <string_view>

namespace murder::cli {

struct Terminal {
  bool redraws = false;  ///< lines may be drawn over; else whatever is written stays
  bool color = false;
  unsigned columns = 80;

  /// Of this descriptor, now: the width changes when the user pulls at the window.
  static Terminal of(int fd);
  /// The rules: a TTY redraws unless TERM is "dumb" or missing; colour comes with it unless
  /// NO_COLOR is set to anything (https://no-color.org). Null: not set. 0 columns: not known.
  static Terminal judge(bool is_tty, const char* term, const char* no_color, unsigned columns);
};

enum class Style { plain, bad, good, faint };
/// `text` in that style where there is colour, else as it is.
std::string styled(std::string_view text, Style style, const Terminal& terminal);

/// The first `columns` characters of UTF-8 text, the last of them "…" when something was cut. A
/// character counts as one column.
std::string fit(std::string_view text, unsigned columns);

}  // namespace murder::cli
