#include "cli/simulate_report.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <string_view>
#include <utility>

#include "cli/wording.hpp"

namespace murder::cli {
namespace {

constexpr double not_known = std::numeric_limits<double>::quiet_NaN();  // null in JSON

std::string_view name_of(sim::Bottleneck bottleneck) {
  switch (bottleneck) {
    case sim::Bottleneck::seeder_link:
      return "seeder_link";
    case sim::Bottleneck::host_link:
      return "host_link";
    case sim::Bottleneck::all_uplinks:
      return "all_uplinks";
    case sim::Bottleneck::rack_link:
      return "rack_link";
    case sim::Bottleneck::feed:
      return "feed";
  }
  return "";
}

std::string_view words_of(sim::Bottleneck bottleneck) {
  switch (bottleneck) {
    case sim::Bottleneck::seeder_link:
      return "one copy over the seeder's link";
    case sim::Bottleneck::host_link:
      return "one copy to the slowest or latest host";
    case sim::Bottleneck::all_uplinks:
      return "a copy to every host over all uplinks together";
    case sim::Bottleneck::rack_link:
      return "one copy over a rack's link";
    case sim::Bottleneck::feed:
      return "one copy to the seeder";
  }
  return "";
}

std::string time(double seconds) { return format_duration(from_seconds(seconds)); }

std::string line(std::string_view name, const std::string& value) {
  return fmt::format("{:<18} {}\n", name, value);
}

/// The last host of those that nothing hindered; nullopt unless there are such and others, and all
/// of them are complete.
std::optional<double> last_of_plain(const SimulateFigures& f) {
  double last = 0;
  std::uint32_t plain = 0;
  for (std::uint32_t i = 0; i < f.options.hosts; ++i) {
    if (!sim::is_plain(f.options, i)) continue;
    if (!f.result.complete_s[i]) return std::nullopt;
    last = std::max(last, *f.result.complete_s[i]);
    ++plain;
  }
  if (plain == 0 || plain == f.options.hosts) return std::nullopt;
  return last;
}

std::string timed(std::string_view name, double seconds, double limit_s) {
  return line(name, fmt::format("{:<12} {:.3f} of the limit", time(seconds), seconds / limit_s));
}

std::string network_of(const sim::SimulationOptions& o) {
  std::string text = fmt::format("links of {}", format_rate(o.up));
  if (o.seeder_up) text += fmt::format(", the seeder's {}", format_rate(*o.seeder_up));
  if (o.feed) text += fmt::format(", fed at {}", format_rate(*o.feed));
  if (o.rack_link)
    text += fmt::format(", {} racks behind {} each", o.racks, format_rate(*o.rack_link));
  return text + fmt::format(", latency {:.3g} ms", to_seconds(o.latency) * 1e3);
}

}  // namespace

std::uint32_t SimulateFigures::complete() const {
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < options.hosts; ++i) {
    const sim::HostPlan& plan = options.plans[i];
    const bool lost = (plan.killed_after && !plan.back_after) || plan.frozen_after;
    count += !lost && result.complete_s[i] ? 1 : 0;
  }
  return count;
}

std::optional<double> SimulateFigures::last_ratio() const {
  if (complete() < expected()) return std::nullopt;
  return result.percentile(1) / sim::limit_of(options).seconds;
}

events::Summary summary_of(const SimulateFigures& f) {
  const sim::Limit limit = sim::limit_of(f.options);
  const bool any = f.result.complete_count() > 0;
  const auto plain = last_of_plain(f);
  events::Summary summary;
  const auto add = [&](std::string name, events::Summary::Value value) {
    summary.fields.emplace_back(std::move(name), std::move(value));
  };
  const auto add_time = [&](const std::string& name, double fraction) {
    const double seconds = any ? f.result.percentile(fraction) : not_known;
    add(name + "_seconds", seconds);
    if (fraction < 1) add(name + "_ratio", seconds / limit.seconds);
  };
  add("command", std::string("simulate"));
  add("hosts", std::uint64_t{f.options.hosts});
  add("expected", std::uint64_t{f.expected()});
  add("complete", std::uint64_t{f.complete()});
  add("size_bytes", f.options.size_bytes);
  add("pieces", std::uint64_t{f.result.pieces});
  add("seed", f.options.seed);
  add("limit_seconds", limit.seconds);
  add("limit_set_by", std::string(name_of(limit.bottleneck)));
  add_time("first", 0);
  add_time("median", 0.5);
  add_time("p99", 0.99);
  add_time("last", 1);
  add("last_ratio", f.last_ratio().value_or(not_known));
  add("plain_hosts_last_seconds", plain.value_or(not_known));
  add("plain_hosts_last_ratio",
      plain ? *plain / sim::limit_of_plain(f.options).seconds : not_known);
  add("seeder_copies", f.result.seeder_copies);
  add("wasted_bytes", f.result.wasted_bytes);
  add("control_bytes", f.result.control_bytes);
  add("announces", f.result.announces);
  add("peak_announces_per_s", std::uint64_t{f.result.peak_announces_per_s});
  add("one_server_seconds", sim::fan_out_seconds(f.options));
  add("fingerprint", fmt::format("{:016x}", f.result.fingerprint));
  return summary;
}

std::string report_of(const SimulateFigures& f) {
  const sim::Limit limit = sim::limit_of(f.options);
  std::string out;
  out += line("moved", fmt::format("{} to {}, in {}", format_bytes(f.options.size_bytes),
                                   counted(f.options.hosts, "host", "hosts"),
                                   counted(f.result.pieces, "piece", "pieces")));
  out += line("network", network_of(f.options));
  out += line("limit", fmt::format("{:<12} {}", time(limit.seconds), words_of(limit.bottleneck)));
  out += line("hosts complete", fmt::format("{} of {}", f.complete(), f.expected()));
  if (f.result.complete_count() > 0) {
    out += timed("first", f.result.percentile(0), limit.seconds);
    out += timed("median", f.result.percentile(0.5), limit.seconds);
    out += timed("99 %", f.result.percentile(0.99), limit.seconds);
    out += timed("last", f.result.percentile(1), limit.seconds);
  }
  if (const auto plain = last_of_plain(f))
    out += line("last unhindered",
                fmt::format("{:<12} {:.3f} of the limit for those alone, neither slow nor late, "
                            "stopped or killed",
                            time(*plain), *plain / sim::limit_of_plain(f.options).seconds));
  out += line("seeder sent", fmt::format("{:.2f} copies", f.result.seeder_copies));
  out += line("tracker", fmt::format("{} announces, {} in the fullest second", f.result.announces,
                                     f.result.peak_announces_per_s));
  out += line("one server", fmt::format("{} for all copies over its own link",
                                        time(sim::fan_out_seconds(f.options))));
  return out;
}

}  // namespace murder::cli
