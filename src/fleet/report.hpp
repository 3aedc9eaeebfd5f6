// What a fleet command knows at its end, and what it says of it: one entry a host, the exit status,
// the text that people read, the JSON of --report (docs/history.md). Values alone: whoever drives
// the hosts fills them in, and the local record (record.hpp) keeps them.
//
// Texts from hosts may be any bytes; they are made printable where they are shown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "events/event.hpp"

namespace murder::fleet {

/// What was being done on a host.
enum class Phase { reach, bootstrap, stage, lock, activate, check, rollback, place };

enum class HostState {
  waiting,       ///< nothing was done yet
  reached,       ///< it answers
  staging,       ///< fetches, verifies, unpacks
  staged,        ///< has the release, not live
  activated,     ///< live; no check was passed (yet)
  healthy,       ///< live, and the check passed
  rolled_back,   ///< what was live before is live again
  failed,        ///< see failed_in, failure, reason
  not_switched,  ///< staged, but the rollout stopped before its wave
  unchanged,     ///< the release was live already, what was to be copied in place
  placed,        ///< what was copied is in place
  unknown,       ///< interrupted: what it did last is not known
};

/// What was asked for, so that it can be said whether a host has it.
enum class Goal {
  answered,     ///< only to say something: releases, verify, a dry run
  staged,       ///< --stage-only
  activated,    ///< live, without a check
  healthy,      ///< live, with a check
  rolled_back,  ///< `murder rollback`
  placed,       ///< `murder copy`
};

/// "reach", "bootstrap", "stage", "lock", "activate", "check", "rollback", "place".
std::string_view phase_name(Phase phase);
/// As the enumerators: "rolled_back". For JSON, events and the record.
std::string_view state_name(HostState state);
/// For people: "rolled back".
std::string_view state_words(HostState state);
std::string_view goal_name(Goal goal);
/// The reverse of the names; nullopt for what is none of them.
std::optional<Phase> parse_phase(std::string_view name);
std::optional<HostState> parse_state(std::string_view name);
std::optional<Goal> parse_goal(std::string_view name);
std::optional<ErrorKind> parse_error_kind(std::string_view name);

/// Durations are in seconds since the command began; absent: it did not come to that.
struct HostReport {
  std::string name;     ///< as in the inventory
  std::string address;  ///< in the swarm; may be empty
  HostState state = HostState::waiting;
  /// These three when it failed, also after it was rolled back for that.
  std::optional<Phase> failed_in;
  std::optional<ErrorKind> failure;
  std::string reason;
  std::string live_tag;      ///< what is live now as far as is known; empty: nothing, or not known
  std::string previous_tag;  ///< what was live before the command; may be empty
  std::optional<double> reached_s;
  std::optional<double> complete_s;  ///< every piece was there and verified
  std::optional<double> staged_s;
  std::optional<double> activated_s;
  std::optional<double> checked_s;
  std::uint64_t fetched_bytes = 0;  ///< from the swarm
  std::uint64_t resumed_bytes = 0;  ///< were here from an earlier run
  std::uint64_t fed_bytes = 0;      ///< over ssh
  std::uint32_t wave = 0;           ///< from 1 on; 0: none
  std::vector<std::string> notes;   ///< "fed over ssh: its ports are closed to the others"
};

struct FleetReport {
  std::string deploy;   ///< id (deploy_id.hpp)
  std::string command;  ///< "deploy", "activate", "rollback", …
  Goal goal = Goal::activated;
  std::string tag;
  std::string dest;
  std::string source;              ///< what was packed; may be empty
  std::string origin;              ///< name of the host that seeded; may be empty
  std::int64_t started_at_ms = 0;  ///< since 1970
  double seconds = 0;              ///< from start to end, or to now while it runs
  std::vector<HostReport> hosts;   ///< in the order of the inventory
  bool rolled_back = false;        ///< the hosts that were switched were put back for a failure
  bool stopped = false;            ///< some hosts were not gone on with for the failures of others
  std::string problem;             ///< why it stopped or ended as a whole; may be empty
  std::optional<ErrorKind> error;  ///< it ended as a whole, with `problem`
  std::optional<int> signal;       ///< that cut it short
  std::vector<std::string> notes;  ///< of the whole: "origin web-1 was lost, web-2 went on"
};

/// The host has what was asked for. `unchanged` is good for whatever asks for a live release or a
/// staged one, and so is every state beyond the goal.
bool is_good(const HostReport& host, Goal goal);

/// How many hosts are in each state; states without any are left out.
std::map<HostState, std::size_t> count_states(const FleetReport& report);
std::size_t count_good(const FleetReport& report);

/// The exit status of the command. The first row that fits:
///
///   ended as a whole for usage 2
///   cut short by SIGINT 130, by another signal 143
///   rolled back 1
///   all hosts good 0 (none at all, too), unless it ended as a whole
///   some hosts good 3
///   ended as a whole: the status of its error
///   none good: 2 when each failed for usage (each has the tag with other bytes)
///              5 when any failed for integrity
///              4 when each was unreachable
///              1 otherwise
int exit_status(const FleetReport& report);

struct SummaryOptions {
  std::size_t all_hosts_up_to = 20;  ///< fleets up to this size are shown host by host
  std::size_t max_names = 40;        ///< names or ranges shown of each group of alike hosts
  bool advice = true;                ///< say what to do next
};
/// What a person reads at the end, several lines: the outcome, the counts, the hosts (of a large
/// fleet those that failed or differ, alike ones together), what to do next. No colours.
std::string summary_text(const FleetReport& report, const SummaryOptions& options = {});
/// The first line of it: "v7 is live on 13 of 16 hosts after 42.0 s; 3 failed".
std::string outcome_line(const FleetReport& report);

/// One JSON document, indented, with a newline at its end: what --report writes (docs/history.md).
std::string to_json(const FleetReport& report);

/// What --json writes: one of these a host, and the last line of the command.
events::HostReport to_event(const HostReport& host, Goal goal);
events::Summary summary_event(const FleetReport& report);

}  // namespace murder::fleet
