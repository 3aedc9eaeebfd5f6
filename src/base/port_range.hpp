// TCP ports of which the first free one is taken.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace murder {

struct PortRange {
  std::uint16_t first = 0;  ///< 0: none is named
  std::uint16_t last = 0;

  bool is_named() const { return first != 0; }
  unsigned count() const { return is_named() ? last - first + 1u : 0; }
  /// "9100-9160", "9100", "0" for none.
  std::string to_string() const;
  friend bool operator==(const PortRange&, const PortRange&) = default;
};

/// As to_string() writes it; empty for none. Throws Error{usage} naming `flag`.
PortRange parse_port_range(std::string_view text, std::string_view flag);

}  // namespace murder
