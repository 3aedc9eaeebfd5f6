// What the terminal, --json and the local record are told while a command works on a fleet.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/reporter.hpp"
#include "fleet/fleet.hpp"
#include "fleet/record.hpp"

namespace murder::cli {

class FleetView final : public fleet::Observer {
 public:
  FleetView(Reporter& reporter, fleet::Record& record, std::string deploy, bool verbose);

  void host_changed(const fleet::HostReport& host) override;
  void noted(const std::string& note) override;
  void progressed(const std::string& words) override;
  void logged(const std::string& host, fleet::Phase phase, std::string_view text) override;

  /// Draws where everything stands.
  void show(fleet::Fleet& fleet);

 private:
  void tell_progress(const std::vector<const fleet::Member*>& members, double seconds);

  Reporter& reporter_;
  fleet::Record& record_;
  std::string deploy_;
  bool verbose_;
  std::map<std::string, fleet::HostState> states_;
  double next_progress_s_ = 0;
};

/// How far a release has come: counts, and of those that still fetch it the last. Pure.
events::Fleet fleet_progress(const std::vector<const fleet::Member*>& members);

/// "12 of 16 staged, 1 failed; 63 % of the bytes, 412 Mbit/s" and below it who is behind. Pure.
std::vector<LiveLine> fleet_lines(const std::vector<const fleet::Member*>& members, double seconds);

}  // namespace murder::cli
