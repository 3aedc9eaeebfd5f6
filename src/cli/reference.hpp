// What a swarm is measured against, on the same links in the same run: one plain copy, and one
// server that copies to everybody.
#pragma once

#include <cstddef>
#include <filesystem>

#include "base/units.hpp"
#include "cli/signal_watch.hpp"
#include "lab/lab.hpp"

namespace murder::cli {

struct Reference {
  double plain_copy_s = 0;  ///< origin to one host
  std::size_t fan_out_hosts = 0;
  double fan_out_s = 0;  ///< origin to that many at once

  /// What the fan-out would take to so many hosts: the origin's link is what they share.
  double fan_out_to(std::size_t hosts) const {
    return fan_out_s / static_cast<double>(fan_out_hosts) * static_cast<double>(hosts);
  }
};

/// Copies `file` from host 0 of the lab to host 1, three times (the median counts; once if it takes
/// longer than 20 s), then to the first three hosts at once. A signal ends it soon: see
/// open_links(). Error{interrupted}, Error{terminated}.
Reference measure_reference(lab::Lab& lab, const std::filesystem::path& file, Rate link,
                            SignalWatch& signals);

}  // namespace murder::cli
