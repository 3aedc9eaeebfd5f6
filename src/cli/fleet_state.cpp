#include "cli/fleet_state.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"
#include "base/units.hpp"

namespace murder::cli {
namespace {

using Json = nlohmann::json;

constexpr std::size_t slowest_shown = 3;
constexpr std::size_t failed_shown = 5;

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::uint64_t number(const Json& event, const char* field) {
  const auto found = event.find(field);
  return found != event.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string text(const Json& event, const char* field) {
  const auto found = event.find(field);
  return found != event.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

FleetState::FleetState(std::vector<std::string> names) : hosts_(names.size()) {
  for (std::size_t i = 0; i < names.size(); ++i) hosts_[i].name = std::move(names[i]);
}

void FleetState::apply(std::size_t index, std::string_view line) {
  const Json event = Json::parse(line, nullptr, false);
  if (!event.is_object()) return;
  const auto t = event.find("t");
  if (t == event.end() || !t->is_number()) return;
  const double now = t->get<double>();
  const std::string name = text(event, "event");
  HostState& host = hosts_.at(index);
  if (name == "progress") {
    host.have_bytes = number(event, "have_bytes");
    host.total_bytes = number(event, "total_bytes");
    host.down_bytes_per_s = number(event, "down_bytes_per_s");
  } else if (name == "started") {
    host.total_bytes = number(event, "size_bytes");
  } else if (name == "complete") {
    host.have_bytes = host.total_bytes;
    host.down_bytes_per_s = 0;
    host.downloaded_bytes = number(event, "downloaded_bytes");
    host.complete_at = now;
  } else if (name == "staged") {
    host.staged_at = now;
  } else if (name == "activated") {
    host.activated_at = now;
  } else if (name == "error") {
    fail(index, text(event, "message"));
  }
}

void FleetState::end(std::size_t index, int status, std::string_view last_words) {
  HostState& host = hosts_.at(index);
  host.ended = true;
  if (status == 0 && host.activated_at) return;
  std::string reason = status > 128 ? fmt::format("its peer was ended by signal {}", status - 128)
                                    : fmt::format("its peer ended with status {}", status);
  if (!last_words.empty()) reason += fmt::format(": {}", printable(last_words));
  fail(index, reason);
}

void FleetState::fail(std::size_t index, const std::string& reason) {
  HostState& host = hosts_.at(index);
  if (!host.failure) host.failure = reason;
}

bool FleetState::all_settled() const { return std::ranges::all_of(hosts_, &HostState::settled); }

bool FleetState::transfer_over() const {
  return std::ranges::all_of(
      hosts_, [](const HostState& host) { return host.complete_at || host.failure; });
}

bool FleetState::staging_over() const {
  return std::ranges::all_of(hosts_,
                             [](const HostState& host) { return host.staged_at || host.failure; });
}

std::size_t FleetState::failed_count() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      hosts_, [](const HostState& host) { return host.failure.has_value(); }));
}

std::size_t FleetState::count(std::optional<double> HostState::*moment) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      hosts_, [&](const HostState& host) { return (host.*moment).has_value() && !host.failure; }));
}

std::vector<double> FleetState::times(std::optional<double> HostState::*moment,
                                      double start) const {
  std::vector<double> out;
  for (const HostState& host : hosts_)
    if ((host.*moment).has_value() && !host.failure) out.push_back(*(host.*moment) - start);
  std::ranges::sort(out);
  return out;
}

std::vector<double> FleetState::complete_times(double start) const {
  return times(&HostState::complete_at, start);
}

std::vector<double> FleetState::staged_times(double start) const {
  return times(&HostState::staged_at, start);
}

std::uint64_t FleetState::have_bytes() const {
  std::uint64_t sum = 0;
  for (const HostState& host : hosts_) sum += host.have_bytes;
  return sum;
}

std::uint64_t FleetState::total_bytes() const {
  std::uint64_t largest = 0;  // until a host has started it does not say its own
  for (const HostState& host : hosts_) largest = std::max(largest, host.total_bytes);
  return largest * hosts_.size();
}

std::vector<const HostState*> FleetState::slowest(std::size_t count) const {
  std::vector<const HostState*> busy;
  for (const HostState& host : hosts_)
    if (!host.settled()) busy.push_back(&host);
  const auto key = [](const HostState* host) {
    return std::pair(host->have_bytes, host->complete_at.has_value());
  };
  std::ranges::stable_sort(busy, {}, key);
  busy.resize(std::min(count, busy.size()));
  return busy;
}

events::Fleet FleetState::to_event() const {
  events::Fleet event;
  event.hosts = static_cast<std::uint32_t>(hosts_.size());
  event.complete = static_cast<std::uint32_t>(count(&HostState::complete_at));
  event.staged = static_cast<std::uint32_t>(count(&HostState::staged_at));
  event.failed = static_cast<std::uint32_t>(failed_count());
  for (const HostState* host : slowest(slowest_shown))
    event.slowest.push_back({host->name, percent(host->have_bytes, host->total_bytes)});
  return event;
}

std::vector<LiveLine> fleet_lines(const FleetState& fleet, double elapsed) {
  const events::Fleet now = fleet.to_event();
  std::uint64_t rate = 0;
  std::size_t live = 0;
  for (const HostState& host : fleet.hosts()) {
    if (host.settled())
      live += host.failure ? 0 : 1;
    else
      rate += host.down_bytes_per_s;
  }
  std::string all =
      fmt::format("{} hosts  {:.0f} %  {} complete, {} staged, {} live", now.hosts,
                  percent(fleet.have_bytes(), fleet.total_bytes()), now.complete, now.staged, live);
  if (now.failed > 0) all += fmt::format(", {} failed", now.failed);
  if (rate > 0) all += fmt::format("  {} in all", format_rate(Rate{static_cast<double>(rate)}));
  all += fmt::format("  {}", format_duration(from_seconds(elapsed)));

  std::vector<LiveLine> lines{{all}};
  for (const HostState* host : fleet.slowest(slowest_shown)) {
    const std::string at =
        host->staged_at ? std::string("activating")
        : host->complete_at
            ? std::string("unpacking")
            : fmt::format("{:3.0f} %  {}", percent(host->have_bytes, host->total_bytes),
                          format_rate(Rate{static_cast<double>(host->down_bytes_per_s)}));
    lines.push_back({fmt::format("  {}  {}", host->name, at), Style::faint});
  }
  std::size_t shown = 0;
  for (const HostState& host : fleet.hosts())
    if (host.failure && shown++ < failed_shown)
      lines.push_back({fmt::format("  {}  failed: {}", host.name, *host.failure), Style::bad});
  if (shown > failed_shown)
    lines.push_back({fmt::format("  and {} more failed", shown - failed_shown), Style::bad});
  return lines;
}

}  // namespace murder::cli
