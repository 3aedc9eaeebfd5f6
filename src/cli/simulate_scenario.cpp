#include "cli/simulate_scenario.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/random.hpp"
#include "bittorrent/metainfo.hpp"
#include "sim/limit.hpp"

namespace murder::cli {
namespace {

constexpr long long most_hosts = 50'000;
constexpr std::uint64_t most_pieces = 65'536;
constexpr std::uint64_t longest_piece = 4_MiB;
constexpr std::uint64_t most_transfers = 100'000'000;  // hosts × pieces
constexpr Rate slowest_link{1e3 / 8};
constexpr double least_efficiency = 0.1;
constexpr Duration longest_latency = std::chrono::seconds(10);

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorKind::usage, message); }

std::uint32_t count_of(long long value, long long most, std::string_view flag) {
  if (value < 1 || value > most) refuse(fmt::format("{}: {} is not 1 to {}", flag, value, most));
  return static_cast<std::uint32_t>(value);
}

Rate rate_of(const std::string& text, std::string_view flag) {
  const Rate rate = parse_rate(text, flag);
  if (rate < slowest_link)
    refuse(
        fmt::format("{}: {} is less than {}", flag, format_rate(rate), format_rate(slowest_link)));
  return rate;
}

/// "33%" as 0.33; nullopt when it does not end in a percent sign.
std::optional<double> share_of(std::string_view text, std::string_view flag) {
  if (!text.ends_with('%')) return std::nullopt;
  double value = 0;
  const char* const last = text.data() + text.size() - 1;
  const auto [end, ec] = std::from_chars(text.data(), last, value, std::chars_format::fixed);
  if (ec != std::errc() || end != last || !std::isfinite(value) || value < 0 || value > 100)
    refuse(fmt::format("{}: '{}' is not 0% to 100%", flag, printable(text)));
  return value / 100;
}

/// A number of hosts, or a share of them, at least one.
std::uint32_t hosts_of(std::string_view text, std::uint32_t hosts, std::string_view flag) {
  if (const auto share = share_of(text, flag)) {
    if (*share <= 0) refuse(fmt::format("{}: '{}' is no host", flag, printable(text)));
    return std::max(1u, static_cast<std::uint32_t>(std::lround(*share * hosts)));
  }
  std::uint32_t count = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (ec != std::errc() || end != text.data() + text.size() || count < 1 || count > hosts)
    refuse(fmt::format("{}: '{}' is neither 1 to {} hosts nor a share such as 10%", flag,
                       printable(text), hosts));
  return count;
}

/// "A:B" taken apart; B is empty when there is no colon.
std::pair<std::string_view, std::string_view> halves(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

/// A duration, or a share of the limit.
Duration moment_of(std::string_view text, double limit_s, std::string_view flag) {
  if (const auto share = share_of(text, flag)) return from_seconds(*share * limit_s);
  return parse_duration(text, flag);
}

/// Hands out hosts, none twice.
class Draw {
 public:
  Draw(std::uint32_t hosts, std::uint64_t seed) : order_(hosts), random_(seed ^ 0x73696d) {
    std::iota(order_.begin(), order_.end(), 0u);
    random_.shuffle(order_);
  }

  std::vector<std::uint32_t> take(std::uint32_t count, std::string_view flag) {
    if (count > order_.size())
      refuse(
          fmt::format("{}: {} of the hosts are left for it, not {}: --slow, --late, --stop and "
                      "--churn take different ones",
                      flag, order_.size(), count));
    std::vector<std::uint32_t> taken(order_.end() - count, order_.end());
    order_.resize(order_.size() - count);
    return taken;
  }
  Random& random() { return random_; }

 private:
  std::vector<std::uint32_t> order_;
  Random random_;
};

void set_pieces(const SimulateArguments& arguments, sim::SimulationOptions& options) {
  const std::uint64_t size = options.size_bytes;
  std::uint64_t length = default_piece_length(size);
  if (arguments.pieces != 0) {
    const auto pieces = count_of(arguments.pieces, static_cast<long long>(most_pieces), "--pieces");
    if (pieces > size)
      refuse(fmt::format("--pieces: {} bytes cannot be cut into {}", size, pieces));
    length = (size + pieces - 1) / pieces;
    if (length > longest_piece)
      refuse(fmt::format("--pieces: {} of {} each; a piece has at most 4 MiB, so give {} or more",
                         pieces, format_bytes(length), (size + longest_piece - 1) / longest_piece));
  }
  const std::uint64_t count = (size + length - 1) / length;
  if (count > most_pieces)
    refuse(fmt::format("--size: {} is {} pieces; {} can be simulated ({})", format_bytes(size),
                       count, most_pieces, format_bytes(most_pieces * longest_piece)));
  if (count * options.hosts > most_transfers)
    refuse(
        fmt::format("--hosts: {} hosts with {} pieces each is more than {} million transfers; "
                    "fewer are enough for a forecast: --pieces {}",
                    options.hosts, count, most_transfers / 1'000'000,
                    std::max<std::uint64_t>(most_transfers / options.hosts, 1)));
  options.piece_length = static_cast<std::uint32_t>(length);
  options.block_length = options.piece_length;
}

void set_network(const SimulateArguments& arguments, sim::SimulationOptions& options) {
  options.up = options.down = rate_of(arguments.link, "--link");
  if (!arguments.seeder_link.empty())
    options.seeder_up = rate_of(arguments.seeder_link, "--seeder-link");
  if (!arguments.feed.empty()) options.feed = rate_of(arguments.feed, "--feed");
  options.latency = parse_duration(arguments.latency, "--latency");
  if (options.latency > longest_latency)
    refuse(fmt::format("--latency: {} is more than {}", format_duration(options.latency),
                       format_duration(longest_latency)));
  const auto efficiency = share_of(arguments.efficiency, "--efficiency");
  if (!efficiency || *efficiency < least_efficiency)
    refuse(fmt::format("--efficiency: '{}' is not 10% to 100%", printable(arguments.efficiency)));
  options.efficiency = *efficiency;
  options.racks = count_of(arguments.racks, options.hosts, "--racks");
  if (arguments.rack_link.empty() != (options.racks == 1))
    refuse(options.racks == 1 ? "--rack-link: there is one rack; give --racks too"
                              : "--racks: give --rack-link too, what each rack's link carries");
  if (!arguments.rack_link.empty()) options.rack_link = rate_of(arguments.rack_link, "--rack-link");
}

void set_slow(const SimulateArguments& arguments, sim::SimulationOptions& options, Draw& draw) {
  for (const std::string& text : arguments.slow) {
    const auto [hosts, rate] = halves(text);
    if (rate.empty())
      refuse(fmt::format("--slow: '{}' is not HOSTS:RATE, such as 33%:25Mbit", printable(text)));
    const Rate link = rate_of(std::string(rate), "--slow");
    for (const std::uint32_t host : draw.take(hosts_of(hosts, options.hosts, "--slow"), "--slow"))
      options.plans[host].up = options.plans[host].down = link;
  }
}

/// Of --late and --stop: `apply` for each host, with its moment.
template <class Apply>
void set_moments(const std::vector<std::string>& texts, std::string_view flag, double limit_s,
                 sim::SimulationOptions& options, Draw& draw, Apply&& apply) {
  for (const std::string& text : texts) {
    const auto [hosts, when] = halves(text);
    if (when.empty())
      refuse(fmt::format("{}: '{}' is not HOSTS:TIME, such as 1:50% or 10%:30s", flag,
                         printable(text)));
    const Duration moment = moment_of(when, limit_s, flag);
    for (const std::uint32_t host : draw.take(hosts_of(hosts, options.hosts, flag), flag))
      apply(options.plans[host], moment);
  }
}

/// Killed at random moments before the limit.
void set_churn(const SimulateArguments& arguments, double limit_s, sim::SimulationOptions& options,
               Draw& draw) {
  if (arguments.churn.empty()) return;
  const auto [hosts, away] = halves(arguments.churn);
  const auto count = hosts_of(hosts, options.hosts, "--churn");
  for (const std::uint32_t host : draw.take(count, "--churn")) {
    sim::HostPlan& plan = options.plans[host];
    plan.killed_after = from_seconds(draw.random().unit() * limit_s);
    if (!away.empty()) plan.back_after = *plan.killed_after + parse_duration(away, "--churn");
  }
}

/// Whoever will never be complete must not be waited for.
void set_expected(sim::SimulationOptions& options) {
  const auto lost = std::count_if(options.plans.begin(), options.plans.end(), [](const auto& p) {
    return (p.killed_after && !p.back_after) || p.frozen_after;
  });
  options.expect = options.hosts - static_cast<std::uint32_t>(lost);
  if (options.expect == 0) refuse("--stop, --churn: a host must be left that lives to the end");
}

}  // namespace

sim::SimulationOptions scenario_of(const SimulateArguments& arguments) {
  sim::SimulationOptions options;
  options.hosts = count_of(arguments.hosts, most_hosts, "--hosts");
  options.size_bytes = parse_bytes(arguments.size, "--size");
  if (options.size_bytes == 0) refuse("--size: there is nothing to move in 0 bytes");
  options.seed = arguments.seed;
  set_pieces(arguments, options);
  set_network(arguments, options);
  options.plans.resize(options.hosts);
  Draw draw(options.hosts, options.seed);
  set_slow(arguments, options, draw);
  const double limit_s = sim::limit_of(options).seconds;
  set_moments(arguments.late, "--late", limit_s, options, draw,
              [](sim::HostPlan& plan, Duration at) { plan.joins_after = at; });
  set_moments(arguments.stop, "--stop", limit_s, options, draw,
              [](sim::HostPlan& plan, Duration at) { plan.frozen_after = at; });
  set_churn(arguments, limit_s, options, draw);
  if (!arguments.seeder_dies.empty())
    options.seeder_killed_after = moment_of(arguments.seeder_dies, limit_s, "--seeder-dies");
  set_expected(options);
  // Far beyond what any run takes that still moves; one that does not ends by its patience.
  options.limit = from_seconds(std::min(1e8, 3600 + 1000 * sim::limit_of(options).seconds));
  return options;
}

}  // namespace murder::cli
