#include "cli/demo_report.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <string_view>

#include "base/error.hpp"
#include "cli/wording.hpp"

namespace murder::cli {
namespace {

constexpr double busy_machine = 0.85;
constexpr double not_known = std::numeric_limits<double>::quiet_NaN();  // null in JSON

std::string time(std::optional<double> seconds) {
  return seconds ? format_duration(from_seconds(*seconds)) : std::string("-");
}

std::optional<double> first(const std::vector<double>& sorted) {
  return sorted.empty() ? std::nullopt : std::optional(sorted.front());
}

std::optional<double> last(const std::vector<double>& sorted) {
  return sorted.empty() ? std::nullopt : std::optional(sorted.back());
}

std::string line(std::string_view name, const std::string& value) {
  return fmt::format("{:<18} {}\n", name, value);
}

std::string times(const std::vector<double>& sorted) {
  return fmt::format("first {}, median {}, last {}", time(first(sorted)), time(median(sorted)),
                     time(last(sorted)));
}

std::string share(std::optional<double> share) {
  return share ? fmt::format("{:.0f} %", *share * 100) : std::string("unknown");
}

std::string links(const DemoFigures& figures) {
  return figures.shaped ? fmt::format("links of {} each way", format_rate(figures.link))
                        : std::string("loopback, no links: only this machine sets the pace");
}

std::string fan_out(const DemoFigures& f) {
  const Reference& r = f.reference;
  std::string text = fmt::format("{} to all {}", time(r.fan_out_to(f.hosts)), f.hosts);
  text += r.fan_out_hosts == f.hosts
              ? std::string(" (measured)")
              : fmt::format(" (measured for {}: {}; computed for {})",
                            counted(r.fan_out_hosts, "host", "hosts"), time(r.fan_out_s), f.hosts);
  return text;
}

std::string copies(std::optional<double> copies) {
  return copies ? fmt::format("{:.2f} copies", *copies) : std::string("unknown");
}

/// "1, 3 and 12 hosts".
std::string waves(const std::vector<std::size_t>& waves) {
  std::string text;
  for (std::size_t i = 0; i < waves.size(); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == waves.size() ? " and " : ", ", waves[i]);
  return text + (waves == std::vector<std::size_t>{1} ? " host" : " hosts");
}

std::string second_deploy(const DemoFigures& f) {
  const std::string took = time(f.second_deploy_s);
  if (f.unwell.empty())
    return fmt::format("{}, switched in {} of {}", took, counted(f.waves.size(), "wave", "waves"),
                       waves(f.waves));
  return fmt::format("{}, switched in waves of {}; then {}", took, waves(f.waves),
                     f.went_back
                         ? fmt::format("{} was unwell, and all of these went back", f.unwell)
                         : "it did not come out as it should");
}

}  // namespace

void DemoFigures::take(const DeployOutcome& deployed) {
  second_deploy_s = deployed.seconds;
  reached_s = deployed.times(&DeployedHost::reached_s);
  live_s = deployed.times(&DeployedHost::activated_s);
  fetch_begins_s = deployed.fetch_begins_s.value_or(0);
  complete_s = deployed.times(&DeployedHost::complete_s);
  staged_s = deployed.times(&DeployedHost::staged_s);
  for (double& seconds : complete_s) seconds -= fetch_begins_s;
  for (double& seconds : staged_s) seconds -= fetch_begins_s;
  for (const DeployedHost& host : deployed.hosts) {
    if (host.wave == 0) continue;
    waves.resize(std::max<std::size_t>(waves.size(), host.wave));
    ++waves[host.wave - 1];
  }
}

std::optional<double> DemoFigures::last_ratio() const {
  if (complete_s.size() < hosts || reference.plain_copy_s <= 0) return std::nullopt;
  return complete_s.back() / reference.plain_copy_s;
}

bool DemoFigures::machine_bound() const { return transfer_busy.value_or(0) > busy_machine; }

std::optional<double> median(const std::vector<double>& sorted) {
  if (sorted.empty()) return std::nullopt;
  const std::size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

events::Summary summary_of(const DemoFigures& f) {
  const auto seconds = [](std::optional<double> s) { return s.value_or(not_known); };
  events::Summary summary;
  const auto add = [&](std::string name, events::Summary::Value value) {
    summary.fields.emplace_back(std::move(name), std::move(value));
  };
  add("command", std::string("demo"));
  add("source", f.source);
  add("tag", f.tag);
  add("hosts", std::uint64_t{f.hosts});
  add("verified", std::uint64_t{f.verified});
  add("size_bytes", f.pack_bytes);
  add("source_bytes", f.source_bytes);
  add("files", f.files);
  add("network", std::string(f.shaped ? "namespaces" : "loopback"));
  add("link_bytes_per_s", f.shaped ? f.link.bytes_per_second : not_known);
  add("storage", std::string(f.in_memory ? "memory" : "disk"));
  add("unwell", f.unwell);
  add("waves", std::uint64_t{f.waves.size()});
  add("first_deploy_seconds", f.first_deploy_s);
  add("second_deploy_seconds", f.second_deploy_s);
  add("fetch_begins_seconds", f.fetch_begins_s);
  const auto add_times = [&](const std::string& what, const std::vector<double>& sorted) {
    add(fmt::format("first_{}_seconds", what), seconds(first(sorted)));
    add(fmt::format("median_{}_seconds", what), seconds(median(sorted)));
    add(fmt::format("last_{}_seconds", what), seconds(last(sorted)));
  };
  add_times("reached", f.reached_s);
  add_times("complete", f.complete_s);
  add_times("staged", f.staged_s);
  add_times("live", f.live_s);
  add("plain_copy_seconds", f.reference.plain_copy_s);
  add("last_ratio", seconds(f.last_ratio()));
  add("seeder_copies", seconds(f.seeder_copies));
  add("control_copies", seconds(f.control_copies));
  add("fan_out_hosts", std::uint64_t{f.reference.fan_out_hosts});
  add("fan_out_seconds", f.reference.fan_out_s);
  add("fan_out_to_all_seconds", f.reference.fan_out_to(f.hosts));
  add("transfer_busy_share", seconds(f.transfer_busy));
  add("staging_busy_share", seconds(f.staging_busy));
  add("pace_set_by", std::string(f.machine_bound() || !f.shaped ? "machine" : "link"));
  return summary;
}

std::string report_of(const DemoFigures& f) {
  const auto ratio = f.last_ratio();
  std::string out;
  out += line("hosts verified", fmt::format("{} of {}: {} is live, every file compared with its "
                                            "source",
                                            f.verified, f.hosts, f.tag));
  out += line("moved", fmt::format("{} to each host ({}, {} unpacked), {} in all",
                                   format_bytes(f.pack_bytes), counted(f.files, "file", "files"),
                                   format_bytes(f.source_bytes),
                                   format_bytes(f.pack_bytes * f.staged_s.size())));
  out += line("network", links(f));
  out +=
      line("first deploy", fmt::format("{}, murder itself brought along", time(f.first_deploy_s)));
  out += line("second deploy", second_deploy(f));
  out += line("  reached after", times(f.reached_s));
  out += line("  fetching after", time(f.fetch_begins_s));
  out += line("    complete", times(f.complete_s) + " from then on");
  out += line("    staged", times(f.staged_s) + " from then on");
  out += line("  live after", times(f.live_s));
  out += line("plain copy",
              fmt::format("{} to one host, {} in this run", time(f.reference.plain_copy_s),
                          f.shaped ? "over the same link" : "on loopback"));
  out +=
      line("last / plain copy",
           ratio ? fmt::format("{:.2f}{}", *ratio, f.shaped ? "" : " (means little without links)")
                 : std::string("-"));
  out += line("origin sent", fmt::format("{}, the control machine {}", copies(f.seeder_copies),
                                         copies(f.control_copies)));
  out += line("one server", fan_out(f));
  out += line("processors busy",
              fmt::format("{} during the transfer, {} while staging went on after it",
                          share(f.transfer_busy), share(f.staging_busy)));
  if (f.machine_bound())
    out +=
        "The processors were busy for more than 85 % of the transfer: this machine set the "
        "pace, not the link.\n";
  return out;
}

}  // namespace murder::cli
