#include "cli/deploy_events.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace murder::cli {
namespace {

using Json = nlohmann::json;

std::optional<double> seconds_in(const Json& event, const char* field) {
  const auto found = event.find(field);
  if (found == event.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::string text_in(const Json& event, const char* field) {
  const auto found = event.find(field);
  return found != event.end() && found->is_string() ? found->get<std::string>() : std::string();
}

DeployedHost host_of(const Json& event) {
  DeployedHost host;
  host.name = text_in(event, "host");
  host.state = text_in(event, "state");
  const auto good = event.find("good");
  host.good = good != event.end() && good->is_boolean() && good->get<bool>();
  host.failed_in = text_in(event, "phase");
  host.reason = text_in(event, "reason");
  host.live_tag = text_in(event, "live_tag");
  host.wave = static_cast<unsigned>(seconds_in(event, "wave").value_or(0));
  host.reached_s = seconds_in(event, "reached_s");
  host.complete_s = seconds_in(event, "complete_s");
  host.staged_s = seconds_in(event, "staged_s");
  host.activated_s = seconds_in(event, "activated_s");
  return host;
}

void apply(const Json& event, DeployOutcome& outcome) {
  const std::string name = text_in(event, "event");
  const double t = seconds_in(event, "t").value_or(0);
  if (name == "deploy_started") {
    outcome.began_at = t;
  } else if (name == "host" && text_in(event, "state") == "staging" && !outcome.fetch_begins_s) {
    outcome.fetch_begins_s = t - outcome.began_at;
  } else if (name == "host_report") {
    outcome.hosts.push_back(host_of(event));
  } else if (name == "summary") {
    outcome.seconds = seconds_in(event, "seconds").value_or(0);
    outcome.origin = text_in(event, "origin");
  } else if (name == "error") {
    outcome.error = text_in(event, "message");
  }
}

}  // namespace

std::vector<double> DeployOutcome::times(std::optional<double> DeployedHost::*moment) const {
  std::vector<double> out;
  for (const DeployedHost& host : hosts)
    if ((host.*moment).has_value()) out.push_back(*(host.*moment));
  std::ranges::sort(out);
  return out;
}

DeployOutcome outcome_of(std::string_view lines) {
  DeployOutcome outcome;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    const Json event = Json::parse(line, nullptr, false);
    if (event.is_object()) apply(event, outcome);
  }
  return outcome;
}

}  // namespace murder::cli
