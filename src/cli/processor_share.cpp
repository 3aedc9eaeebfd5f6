#include "cli/processor_share.hpp"

#include <array>
#include <numeric>
#include <sstream>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"

namespace murder::cli {

ProcessorTime ProcessorTime::now() {
  try {
    return parse(read_file("/proc/stat"));
  } catch (const Error&) {
    return {};
  }
}

ProcessorTime ProcessorTime::parse(std::string_view text) {
  // "cpu  user nice system idle iowait irq softirq steal …"; guests are in user and nice already.
  std::istringstream line{std::string(text.substr(0, text.find('\n')))};
  std::string name;
  std::array<std::uint64_t, 8> columns{};
  line >> name;
  if (name != "cpu") return {};
  for (std::uint64_t& column : columns) line >> column;
  ProcessorTime time;
  time.total = std::accumulate(columns.begin(), columns.end(), std::uint64_t{0});
  time.busy = time.total - columns[3] - columns[4];
  return time;
}

std::optional<double> busy_share(const ProcessorTime& begin, const ProcessorTime& end) {
  if (end.total <= begin.total || end.busy < begin.busy) return std::nullopt;
  return static_cast<double>(end.busy - begin.busy) / static_cast<double>(end.total - begin.total);
}

}  // namespace murder::cli
