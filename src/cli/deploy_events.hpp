// What a `murder deploy` did, from the events that it wrote (docs/events.md). No I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace murder::cli {

/// Times are in seconds since the command began; absent: it did not come to that.
struct DeployedHost {
  std::string name;
  std::string state;      ///< as in docs/history.md
  bool good = false;      ///< it has what was asked for
  std::string failed_in;  ///< the phase, also when it went back for that; else empty
  std::string reason;
  std::string live_tag;
  unsigned wave = 0;  ///< in which it was switched, from 1 on; 0: in none
  std::optional<double> reached_s;
  std::optional<double> complete_s;
  std::optional<double> staged_s;
  std::optional<double> activated_s;
};

struct DeployOutcome {
  double began_at = 0;                   ///< on the monotonic clock, seconds
  std::optional<double> fetch_begins_s;  ///< when the first host began to fetch
  double seconds = 0;                    ///< all in all
  std::string origin;                    ///< the host that seeded
  std::vector<DeployedHost> hosts;       ///< in the order of the inventory
  std::string error;                     ///< what it ended with, if it did not end well

  /// Of the hosts that have it, sorted.
  std::vector<double> times(std::optional<double> DeployedHost::*moment) const;
  std::vector<double> live_times() const { return times(&DeployedHost::activated_s); }
};

/// From its lines. What is no event, or none that matters here, is skipped.
DeployOutcome outcome_of(std::string_view lines);

}  // namespace murder::cli
