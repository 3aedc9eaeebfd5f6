// The report as one JSON document: docs/history.md is its schema.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "fleet/report.hpp"

namespace murder::fleet {
namespace {

using Json = nlohmann::ordered_json;

/// "2026-11-22T13:15:02.118Z" (RFC 3339).
std::string utc(std::int64_t ms) {
  const std::int64_t seconds = ms / 1000 - (ms % 1000 < 0 ? 1 : 0);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(seconds)),
                     ms - seconds * 1000);
}

Json seconds_or_null(std::optional<double> seconds) { return seconds ? Json(*seconds) : Json(); }

Json to_object(const HostReport& host, Goal goal) {
  return {{"name", host.name},
          {"address", host.address},
          {"state", state_name(host.state)},
          {"good", is_good(host, goal)},
          {"failed_in", host.failed_in ? Json(phase_name(*host.failed_in)) : Json()},
          {"failure", host.failure ? Json(events::error_kind_name(*host.failure)) : Json()},
          {"reason", host.reason},
          {"live_tag", host.live_tag},
          {"previous_tag", host.previous_tag},
          {"reached_s", seconds_or_null(host.reached_s)},
          {"complete_s", seconds_or_null(host.complete_s)},
          {"staged_s", seconds_or_null(host.staged_s)},
          {"activated_s", seconds_or_null(host.activated_s)},
          {"checked_s", seconds_or_null(host.checked_s)},
          {"fetched_bytes", host.fetched_bytes},
          {"resumed_bytes", host.resumed_bytes},
          {"fed_bytes", host.fed_bytes},
          {"wave", host.wave},
          {"notes", host.notes}};
}

}  // namespace

std::string to_json(const FleetReport& report) {
  Json states = Json::object();
  for (const auto& [state, count] : count_states(report))
    states[std::string(state_name(state))] = count;
  Json hosts = Json::array();
  for (const HostReport& host : report.hosts) hosts.push_back(to_object(host, report.goal));
  const Json document = {
      {"schema", 1},
      {"deploy", report.deploy},
      {"command", report.command},
      {"goal", goal_name(report.goal)},
      {"tag", report.tag},
      {"dest", report.dest},
      {"source", report.source},
      {"origin", report.origin},
      {"started_at", utc(report.started_at_ms)},
      {"seconds", report.seconds},
      {"exit_status", exit_status(report)},
      {"signal", report.signal ? Json(*report.signal) : Json()},
      {"rolled_back", report.rolled_back},
      {"stopped", report.stopped},
      {"problem", report.problem},
      {"error", report.error ? Json(events::error_kind_name(*report.error)) : Json()},
      {"notes", report.notes},
      {"host_count", report.hosts.size()},
      {"good_count", count_good(report)},
      {"states", std::move(states)},
      {"hosts", std::move(hosts)}};
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace murder::fleet
