#include "cli/fleet_view.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/units.hpp"
#include "cli/wording.hpp"

namespace murder::cli {
namespace {

constexpr std::size_t slowest_shown = 3;
constexpr std::size_t slowest_told = 16;
constexpr double progress_every_s = 0.5;

bool is_staged(fleet::HostState state) {
  switch (state) {
    case fleet::HostState::staged:
    case fleet::HostState::activated:
    case fleet::HostState::healthy:
    case fleet::HostState::not_switched:
    case fleet::HostState::unchanged:
    case fleet::HostState::placed:
      return true;
    default:
      return false;
  }
}

}  // namespace

FleetView::FleetView(Reporter& reporter, fleet::Record& record, std::string deploy, bool verbose)
    : reporter_(reporter), record_(record), deploy_(std::move(deploy)), verbose_(verbose) {}

void FleetView::host_changed(const fleet::HostReport& host) {
  record_.update_host(deploy_, host);
  const auto [it, is_new] = states_.try_emplace(host.name, host.state);
  if (!is_new && it->second == host.state) return;
  it->second = host.state;
  const bool failed = host.state == fleet::HostState::failed;
  reporter_.emit(events::HostChanged{
      host.name, std::string(fleet::state_name(host.state)),
      failed && host.failed_in ? std::string(fleet::phase_name(*host.failed_in)) : std::string(),
      failed ? host.reason : std::string()});
  if (failed)
    reporter_.say(fmt::format("{}: {}", host.name, printable(host.reason, 400)));
  else if (verbose_)
    reporter_.say(fmt::format("{}: {}", host.name, fleet::state_words(host.state)));
}

void FleetView::noted(const std::string& note) { reporter_.emit(events::Warning{note}); }

void FleetView::progressed(const std::string& words) { reporter_.say(words); }

void FleetView::logged(const std::string& host, fleet::Phase phase, std::string_view text) {
  record_.log(deploy_, host, fleet::phase_name(phase), text);
}

void FleetView::show(fleet::Fleet& fleet) {
  const std::vector<fleet::Member*> all = fleet.all();
  const std::vector<const fleet::Member*> members(all.begin(), all.end());
  reporter_.show(fleet_lines(members, fleet.seconds()));
  tell_progress(members, fleet.seconds());
}

void FleetView::tell_progress(const std::vector<const fleet::Member*>& members, double seconds) {
  if (seconds < next_progress_s_) return;
  events::Fleet event = fleet_progress(members);
  if (event.slowest.empty()) return;  // the hosts' states say it all
  next_progress_s_ = seconds + progress_every_s;
  reporter_.emit(event);
}

events::Fleet fleet_progress(const std::vector<const fleet::Member*>& members) {
  events::Fleet event;
  event.hosts = static_cast<std::uint32_t>(members.size());
  for (const fleet::Member* member : members) {
    const fleet::HostState state = member->report.state;
    const bool fetching = state == fleet::HostState::staging;
    const fleet::TransferState& transfer = member->transfer;
    if (state == fleet::HostState::failed) ++event.failed;
    if (is_staged(state)) ++event.staged;
    if (is_staged(state) || (fetching && transfer.complete)) ++event.complete;
    if (fetching && transfer.total_bytes > 0)
      event.slowest.push_back({member->host.name, 100.0 * static_cast<double>(transfer.have_bytes) /
                                                      static_cast<double>(transfer.total_bytes)});
  }
  const std::size_t shown = std::min(event.slowest.size(), slowest_told);
  std::partial_sort(event.slowest.begin(),
                    event.slowest.begin() + static_cast<std::ptrdiff_t>(shown), event.slowest.end(),
                    [](const auto& a, const auto& b) { return a.percent < b.percent; });
  event.slowest.resize(shown);
  return event;
}

std::vector<LiveLine> fleet_lines(const std::vector<const fleet::Member*>& members,
                                  double seconds) {
  std::map<fleet::HostState, std::size_t> counts;
  std::uint64_t have = 0;
  std::uint64_t total = 0;
  std::uint64_t rate = 0;
  std::vector<const fleet::Member*> fetching;
  for (const fleet::Member* member : members) {
    ++counts[member->report.state];
    if (member->report.state != fleet::HostState::staging) continue;
    fetching.push_back(member);
    have += member->transfer.have_bytes;
    total += member->transfer.total_bytes;
    rate += member->transfer.down_bytes_per_s;
  }
  std::vector<std::string> parts;
  parts.reserve(counts.size());
  for (const auto& [state, count] : counts)
    parts.push_back(fmt::format("{} {}", count, fleet::state_words(state)));
  std::string first =
      fmt::format("{}: {}", counted(members.size(), "host", "hosts"), fmt::join(parts, ", "));
  if (total > 0)
    first += fmt::format("  {:.0f} %  {}",
                         100.0 * static_cast<double>(have) / static_cast<double>(total),
                         format_rate(Rate{static_cast<double>(rate)}));
  first += fmt::format("  {:.1f} s", seconds);
  std::vector<LiveLine> lines{LiveLine{std::move(first)}};
  std::sort(fetching.begin(), fetching.end(), [](const auto* a, const auto* b) {
    return a->transfer.have_bytes < b->transfer.have_bytes;
  });
  for (std::size_t i = 0; i < std::min(fetching.size(), slowest_shown); ++i) {
    const fleet::TransferState& transfer = fetching[i]->transfer;
    if (transfer.total_bytes == 0) continue;
    lines.push_back(
        LiveLine{fmt::format("  {}  {:.0f} %  {}", fetching[i]->host.name,
                             100.0 * static_cast<double>(transfer.have_bytes) /
                                 static_cast<double>(transfer.total_bytes),
                             format_rate(Rate{static_cast<double>(transfer.down_bytes_per_s)})),
                 Style::faint});
  }
  return lines;
}

}  // namespace murder::cli
