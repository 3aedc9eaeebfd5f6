// How busy the machine's processors are: /proc/stat.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace murder::cli {

/// Time of all processors since boot, in the kernel's ticks.
struct ProcessorTime {
  std::uint64_t busy = 0;
  std::uint64_t total = 0;

  /// Now. Zeros when it cannot be read.
  static ProcessorTime now();
  /// From the text of /proc/stat: idle is what its columns idle and iowait say.
  static ProcessorTime parse(std::string_view text);
};

/// 0 to 1: what of the time between the two was not idle; nullopt when no tick passed.
std::optional<double> busy_share(const ProcessorTime& begin, const ProcessorTime& end);

}  // namespace murder::cli
