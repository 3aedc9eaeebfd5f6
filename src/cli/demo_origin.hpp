// Host 0 of the demo: the tracker and the seeder.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/fleet_watch.hpp"
#include "events/event.hpp"
#include "lab/lab.hpp"

namespace murder::cli {

class DemoOrigin {
 public:
  /// Starts both and returns when the seeder has had time to announce itself. Error{failed} with
  /// its reason when one of them ends.
  void start(FleetWatch& watch, lab::Lab& lab, const events::Packed& packed, std::size_t hosts);

  /// The command line of someone who takes part in the swarm on that host, without its arguments:
  /// its own address and name, the tracker, JSON, nobody's configuration.
  std::vector<std::string> taking_part(const std::string& command, const lab::Lab& lab,
                                       std::size_t host, const std::string& name) const;

  /// Payload that the seeder sent, from its progress events.
  double seeder_sent_bytes() const { return seeder_sent_bytes_; }
  /// Error{failed} with its reason when tracker or seeder is no more.
  void throw_if_ended() const;

 private:
  void on_tracker_line(std::string_view line);
  void on_seeder_line(std::string_view line);
  FleetWatch::OnEnd ended(const std::string& who);

  std::string tracker_url_;  ///< empty until it listens
  std::size_t seeder_reports_ = 0;
  double seeder_sent_bytes_ = 0;
  std::optional<double> last_report_at_;  ///< on the monotonic clock, seconds
  std::string error_;                     ///< the last error event of either
  std::optional<std::string> ended_;
};

}  // namespace murder::cli
