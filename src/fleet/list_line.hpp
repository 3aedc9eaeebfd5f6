// One line of a list of hosts: what it says, and everything that is wrong with it. No I/O.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/fault.hpp"
#include "fleet/host_pattern.hpp"

namespace murder::fleet {

struct ListLine {
  enum class Kind { nothing, heading, hosts } kind = Kind::nothing;
  std::optional<HostPattern> pattern;  ///< of hosts; absent when it is at fault
  std::size_t pattern_offset = 0;
  std::map<std::string, std::string> labels;  ///< those that are in order; also of a heading
  std::vector<Fault> faults;
};

/// `[user@]host[:port] key=value…`, a heading `[key=value…]`, a comment or nothing; `text` has no
/// end of line.
ListLine parse_line(std::string_view text);

/// `[user@]host[:port]` alone.
ListLine parse_target(std::string_view text);

}  // namespace murder::fleet
