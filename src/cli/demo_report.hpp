// What a demo found out, and how it is said: as an event, and as lines for people. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/units.hpp"
#include "cli/deploy_events.hpp"
#include "cli/reference.hpp"
#include "events/event.hpp"

namespace murder::cli {

struct DemoFigures {
  std::string source;
  std::string tag;  ///< that was to be live at the end
  std::size_t hosts = 0;
  std::size_t verified = 0;  ///< on which that is live, and equal to its source
  std::uint64_t pack_bytes = 0;
  std::uint64_t source_bytes = 0;
  std::uint64_t files = 0;
  Rate link;
  bool shaped = false;  ///< in namespaces, over links of that rate; else on loopback
  bool in_memory = false;
  Reference reference;
  double first_deploy_s = 0;  ///< all in all
  std::string unwell;         ///< the host that was made so; empty: none
  bool went_back = false;     ///< as it should for that host
  // Of the second deploy; times are sorted.
  double second_deploy_s = 0;
  std::vector<std::size_t> waves;  ///< how many hosts were switched in each
  std::vector<double> reached_s;   ///< since its begin
  std::vector<double> live_s;      ///< since its begin
  double fetch_begins_s = 0;       ///< since its begin, until the first host fetched
  std::vector<double> complete_s;  ///< since then; as the next
  std::vector<double> staged_s;
  std::optional<double> seeder_copies;   ///< what left the origin ÷ the size of the pack
  std::optional<double> control_copies;  ///< what left the control machine ÷ that size
  std::optional<double> transfer_busy;   ///< share of the processors, 0 to 1
  std::optional<double> staging_busy;    ///< from the last complete to the last staged host

  /// The second deploy's times and waves.
  void take(const DeployOutcome& deployed);
  /// Last host to complete ÷ plain copy; nullopt when not all did.
  std::optional<double> last_ratio() const;
  /// The processors were so busy during the transfer that they set the pace.
  bool machine_bound() const;
};

/// Of sorted values: the middle one, or the mean of the two there. nullopt of none.
std::optional<double> median(const std::vector<double>& sorted);

/// The event that `murder demo --json` ends with; docs/demo.md names its fields.
events::Summary summary_of(const DemoFigures& figures);

/// For people, a line each.
std::string report_of(const DemoFigures& figures);

}  // namespace murder::cli
