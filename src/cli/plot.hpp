// A small picture of hosts done over time, as SVG. No I/O.
#pragma once

#include <string>
#include <vector>

namespace murder::cli {

struct DonePlot {
  std::string title;
  std::vector<double> done_s;  ///< when each host was done, in any order
  std::size_t hosts = 0;       ///< of all; the height of the picture
  double limit_s = 0;          ///< drawn as a line, with its name
};

/// A whole SVG document: axes in seconds and hosts, the curve, the limit.
std::string svg_of(const DonePlot& plot);

}  // namespace murder::cli
