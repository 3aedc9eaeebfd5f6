// A line of a list of hosts, taken apart: words between blanks, comments, labels. No I/O.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace murder::fleet {

struct Word {
  std::string_view text;  ///< of the line
  std::size_t offset = 0;
};

/// The words up to the end or to a comment: a '#' at the beginning or after a blank. Blanks between
/// double quotes do not count; within them \" and \\ are " and \. Throws Fault for a quote that is
/// not closed.
std::vector<Word> split_words(std::string_view line);

/// Where the first `wanted` outside of double quotes is.
std::optional<std::size_t> find_unquoted(std::string_view text, char wanted);

using Label = std::pair<std::string, std::string>;

/// `key=value` or `key="any value"`. A key is [A-Za-z_][A-Za-z0-9_.-]*; a value is UTF-8 without
/// controls and may be empty. Of `addr` the value is an IP address, and returned in its shortest
/// form; of `name` it is fit to be a host's. `host` is no label: it is what selections call the
/// name. Throws Fault.
Label parse_label(std::string_view text);

/// Throws Fault unless it may be a label's key.
void check_key(std::string_view key);

}  // namespace murder::fleet
