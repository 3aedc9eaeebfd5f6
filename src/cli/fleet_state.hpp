// What is known of every host of a fleet, from the events that its peers say (docs/events.md). No
// I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/live_lines.hpp"
#include "events/event.hpp"

namespace murder::cli {

struct HostState {
  std::string name;
  std::uint64_t have_bytes = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t down_bytes_per_s = 0;
  std::uint64_t downloaded_bytes = 0;  ///< known when it is complete
  /// When, on the monotonic clock; seconds.
  std::optional<double> complete_at;
  std::optional<double> staged_at;
  std::optional<double> activated_at;
  std::optional<std::string> failure;
  bool ended = false;

  /// Nothing more is to be waited for.
  bool settled() const { return failure || activated_at; }
};

class FleetState {
 public:
  explicit FleetState(std::vector<std::string> names);

  /// One line that a host's peer wrote. What is no event, or none that matters here, is skipped.
  void apply(std::size_t host, std::string_view line);
  /// Its process ended; `last_words` (may be empty) is what it wrote to stderr last.
  void end(std::size_t host, int status, std::string_view last_words);
  /// Found out otherwise. The first reason stays.
  void fail(std::size_t host, const std::string& reason);

  const std::vector<HostState>& hosts() const { return hosts_; }
  bool all_settled() const;
  /// Every host is complete, or failed before it was.
  bool transfer_over() const;
  bool staging_over() const;
  std::size_t failed_count() const;
  /// Sorted, those of hosts that did not fail alone; counted from `start`, seconds.
  std::vector<double> complete_times(double start) const;
  std::vector<double> staged_times(double start) const;
  std::uint64_t have_bytes() const;
  std::uint64_t total_bytes() const;
  /// Hosts that are neither live nor failed, least first, at most `count`.
  std::vector<const HostState*> slowest(std::size_t count) const;

  events::Fleet to_event() const;

 private:
  std::size_t count(std::optional<double> HostState::*moment) const;
  std::vector<double> times(std::optional<double> HostState::*moment, double start) const;

  std::vector<HostState> hosts_;
};

/// The fleet in a few lines, however large it is: one for all, the slowest three, the failed (at
/// most five). `elapsed`: seconds since the start.
std::vector<LiveLine> fleet_lines(const FleetState& fleet, double elapsed);

}  // namespace murder::cli
