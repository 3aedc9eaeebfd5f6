// The story of a demo, step by step; what each step makes is a member that unmakes itself.
#include "cli/demo.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include "base/error.hpp"
#include "cli/demo_origin.hpp"
#include "cli/demo_report.hpp"
#include "cli/fleet_state.hpp"
#include "cli/fleet_watch.hpp"
#include "cli/processor_share.hpp"
#include "cli/reference.hpp"
#include "cli/side_by_side.hpp"
#include "cli/signal_watch.hpp"
#include "cli/tree_compare.hpp"
#include "cli/wording.hpp"
#include "cli/work_folder.hpp"
#include "lab/lab.hpp"
#include "net/signals.hpp"
#include "node/torrent_maker.hpp"
#include "release/scan.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

constexpr Duration fleet_event_every = std::chrono::milliseconds(500);
/// Peers end by themselves when the tracker says that everyone has everything.
constexpr Duration patience_with_lingering = std::chrono::seconds(5);
constexpr Duration grace = std::chrono::seconds(5);
constexpr std::uint64_t block_bytes = 4096;  // that a small file, a folder or an inode takes
constexpr double room_margin = 1.2;
constexpr double memory_share = 0.6;
constexpr std::size_t named_at_most = 5;

Instant now() { return std::chrono::steady_clock::now(); }

double monotonic_seconds() { return to_seconds(now().time_since_epoch()); }

/// "host-01", and so on: as wide as the last one needs.
std::vector<std::string> host_names(std::size_t count) {
  const std::size_t width = std::max<std::size_t>(2, fmt::formatted_size("{}", count));
  std::vector<std::string> names;
  for (std::size_t i = 1; i <= count; ++i) names.push_back(fmt::format("host-{:0{}}", i, width));
  return names;
}

std::uint64_t whole_blocks(std::uint64_t bytes) {
  return (bytes + block_bytes - 1) / block_bytes * block_bytes;
}

/// A pipe for each host: more descriptors than a shell allows at first.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

class Demo {
 public:
  Demo(const DemoOptions& options, Context& context, SignalWatch& signals)
      : options_(options),
        context_(context),
        signals_(signals),
        source_(fs::absolute(options.source)),
        fleet_(host_names(options.hosts)) {}

  void run() {
    look_at_source();
    work_.emplace();
    pack();
    make_room();
    make_hosts();
    measure_reference();
    start_origin();
    transfer();
    end_swarm();
    compare();
    watch_.reset();
    lab_.reset();
    work_.reset();
    report();
  }

 private:
  const std::string& name(std::size_t host) const { return fleet_.hosts()[host].name; }
  fs::path destination(std::size_t host) const { return work_->path() / "hosts" / name(host); }

  void say(const std::string& words) { context_.reporter->say(words); }
  void warn(const std::string& words) { context_.reporter->emit(events::Warning{words}); }

  /// Finds out whether there is anything to do before anything is made.
  void look_at_source() {
    std::error_code ec;
    const fs::file_status status = fs::status(source_, ec);
    if (!fs::exists(status))
      throw Error(ErrorKind::usage,
                  fmt::format("no such file or folder: {}", printable(source_.native())));
    if (fs::is_directory(status)) {
      tree_ = scan_tree(source_, {});
      return;
    }
    if (!fs::is_regular_file(status) || fs::file_size(source_) == 0)
      throw Error(ErrorKind::usage,
                  fmt::format("{} is {}", printable(source_.native()),
                              fs::is_regular_file(status) ? "empty"
                                                          : "neither a folder nor a regular file"));
  }

  void pack() {
    node::PackRequest request;
    request.source = source_;
    request.output = work_->path() / (tree_ ? "release.tar.zst" : "release.torrent");
    request.options.warn = [this](const std::string& words) { warn(words); };
    request.options.progress = [this](std::uint64_t done, std::uint64_t total) {
      context_.reporter->show({LiveLine{packing_line(done, total)}});
      signals_.check();
    };
    packed_ = node::make_release(request);
    signals_.check();
    if (context_.json)
      context_.reporter->emit(packed_);
    else
      say(fmt::format("{}: {}", printable(source_.native()), sentence(packed_)));
    figures_.source = source_.string();
    figures_.tag = packed_.tag;
    figures_.hosts = options_.hosts;
    figures_.pack_bytes = packed_.pack_bytes;
    figures_.source_bytes = packed_.source_bytes;
    figures_.files = packed_.files;
    figures_.link = options_.link;
  }

  /// What all hosts write: the pack and what comes out of it.
  std::uint64_t room_needed() const {
    std::uint64_t each = 2 * whole_blocks(packed_.pack_bytes);
    if (tree_) {
      each = whole_blocks(packed_.pack_bytes);
      for (const SourceEntry& item : tree_->entries)
        each += block_bytes + whole_blocks(item.entry.size);
    }
    return static_cast<std::uint64_t>(static_cast<double>(each * options_.hosts) * room_margin);
  }

  /// In memory where it fits: one disk would have to take what the disks of all hosts would.
  void make_room() {
    const std::uint64_t needed = room_needed();
    const std::uint64_t memory = available_memory();
    const bool fits = static_cast<double>(needed) <= memory_share * static_cast<double>(memory);
    const std::string sizes = fmt::format("up to {} for {}", format_bytes(needed),
                                          counted(options_.hosts, "host", "hosts"));
    figures_.in_memory = ::geteuid() == 0 && fits && work_->make_in_memory("hosts", needed);
    if (figures_.in_memory) {
      say(fmt::format("the hosts' files lie in memory: {}", sizes));
      return;
    }
    const std::uint64_t room = fs::space(work_->path()).available;
    if (needed > room)
      throw Error(ErrorKind::failed,
                  fmt::format("no room for the hosts' files at {}: {}, and there are {}; take "
                              "fewer --hosts, or set TMPDIR",
                              work_->path().parent_path().string(), sizes, format_bytes(room)));
    fs::create_directory(work_->path() / "hosts");
    say(fmt::format(
        "the hosts' files lie on one disk, which may slow them down: {}{}", sizes,
        fits ? ""
             : fmt::format(", too much for the {} of memory that are free", format_bytes(memory))));
  }

  void make_hosts() {
    std::string why_not = "not wanted";
    if (options_.namespaces && lab::Lab::can_make_namespaces(&why_not)) {
      lab_ = lab::Lab::with_namespaces(
          {.hosts = options_.hosts + 1, .link = lab::Link{options_.link, options_.link}});
      say(fmt::format("{} and an origin, links of {} each way",
                      counted(options_.hosts, "host", "hosts"), format_rate(options_.link)));
    } else {
      if (options_.namespaces) warn(fmt::format("no hosts with links of their own: {}", why_not));
      lab_ = lab::Lab::on_loopback({.hosts = options_.hosts + 1});
      say(fmt::format("{} and an origin on the loopback interface, links as fast as the machine",
                      counted(options_.hosts, "host", "hosts")));
    }
    figures_.shaped = lab_->has_shaped_links();
    signals_.check();
  }

  void measure_reference() {
    figures_.reference = cli::measure_reference(*lab_, packed_.path, options_.link, signals_);
    const Reference& reference = figures_.reference;
    say(fmt::format("one plain copy takes {}, one server to all {} would take {}",
                    format_duration(from_seconds(reference.plain_copy_s)), options_.hosts,
                    format_duration(from_seconds(reference.fan_out_to(options_.hosts)))));
  }

  void start_origin() {
    const fs::path logs = work_->path() / "logs";
    fs::create_directory(logs);
    watch_.emplace(*lab_, signals_, logs);
    origin_.start(*watch_, *lab_, packed_, options_.hosts);
  }

  void start_peers() {
    // As long as one copy of everything may take, no host gives up.
    const double patience_s =
        60 + static_cast<double>(packed_.pack_bytes) / options_.link.bytes_per_second;
    for (std::size_t i = 0; i < options_.hosts; ++i) {
      std::vector<std::string> argv = origin_.taking_part("peer", *lab_, i + 1, name(i));
      argv.insert(argv.end(),
                  {packed_.torrent, "--to", destination(i).string(), "--activate", "--linger",
                   "swarm", "--timeout", fmt::format("{:.0f}s", patience_s)});
      watch_->start(
          i + 1, argv, [this, i](std::string_view line) { fleet_.apply(i, line); },
          [this, i](int status, const std::string& last_words) {
            fleet_.end(i, status, last_words);
          });
    }
  }

  /// From the first peer's start until every host is live or has failed.
  void transfer() {
    const std::uint64_t sent_before = lab_->bytes_sent(0);
    const ProcessorTime begin = ProcessorTime::now();
    std::optional<ProcessorTime> transferred;
    std::optional<ProcessorTime> staged;
    const auto look = [&] {
      if (!transferred && fleet_.transfer_over()) {
        transferred = ProcessorTime::now();
        origin_sent_ = lab_->bytes_sent(0) - sent_before;
      }
      if (!staged && fleet_.staging_over()) staged = ProcessorTime::now();
      if (!transferred) origin_.throw_if_ended();
      show_fleet();
    };
    start_ = monotonic_seconds();
    start_peers();
    watch_->wait_until([this] { return fleet_.all_settled(); }, look);
    if (transferred) figures_.transfer_busy = busy_share(begin, *transferred);
    if (transferred && staged) figures_.staging_busy = busy_share(*transferred, *staged);
    if (context_.json) context_.reporter->emit(fleet_.to_event());
  }

  void show_fleet() {
    if (!context_.json) {
      context_.reporter->show(fleet_lines(fleet_, monotonic_seconds() - start_));
    } else if (now() >= next_fleet_event_) {
      next_fleet_event_ = now() + fleet_event_every;
      context_.reporter->emit(fleet_.to_event());
    }
  }

  void end_swarm() {
    const auto all_peers_ended = [this] {
      return std::ranges::all_of(fleet_.hosts(), &HostState::ended);
    };
    // Where a host failed silently the others would linger for it.
    if (fleet_.failed_count() == 0)
      watch_->wait_until(all_peers_ended, {}, patience_with_lingering);
    watch_->end_all(grace);
    // Without interfaces that count there is what the seeder said, up to its last report.
    const double sent =
        lab_->has_shaped_links() ? static_cast<double>(origin_sent_) : origin_.seeder_sent_bytes();
    figures_.seeder_copies = sent / static_cast<double>(packed_.pack_bytes);
  }

  void compare() {
    std::vector<std::size_t> arrived;
    for (std::size_t i = 0; i < options_.hosts; ++i)
      if (!fleet_.hosts()[i].failure) arrived.push_back(i);
    std::vector<std::string> differences(arrived.size());
    side_by_side(
        arrived.size(),
        [&](std::size_t i, const std::stop_token& stop) {
          differences[i] = difference_of(arrived[i], stop);
        },
        [&](std::size_t finished) {
          context_.reporter->show(
              {LiveLine{fmt::format("comparing every file: {} of {}", finished,
                                    counted(arrived.size(), "host", "hosts"))}});
        },
        signals_);
    for (std::size_t i = 0; i < arrived.size(); ++i)
      if (!differences[i].empty()) fleet_.fail(arrived[i], differences[i]);
    figures_.verified = options_.hosts - fleet_.failed_count();
    // The hosts that have it are what is timed.
    figures_.complete_s = fleet_.complete_times(start_);
    figures_.staged_s = fleet_.staged_times(start_);
  }

  /// How what is live on a host differs from the source; empty: in nothing.
  std::string difference_of(std::size_t host, const std::stop_token& stop) const {
    const fs::path live = destination(host) / "current";
    try {
      const auto differences = tree_ ? compare_tree(*tree_, live, stop)
                                     : compare_file(source_, live / source_.filename(), stop);
      return differences.empty()
                 ? std::string()
                 : fmt::format("differs from the source: {}", fmt::join(differences, "; "));
    } catch (const std::exception& error) {
      return error.what();
    }
  }

  void report() {
    std::vector<std::string> failed;
    for (const HostState& host : fleet_.hosts())
      if (host.failure) failed.push_back(fmt::format("{}: {}", host.name, *host.failure));
    // For people the error below says it, unless there are more than it has room for.
    if (context_.json || failed.size() > named_at_most)
      for (const std::string& failure : failed) warn(failure);
    if (context_.json)
      context_.reporter->emit(summary_of(figures_));
    else
      context_.reporter->data(report_of(figures_));
    if (failed.empty()) return;
    const std::size_t count = failed.size();
    failed.resize(std::min(count, named_at_most));
    throw Error(
        figures_.verified > 0 ? ErrorKind::partial : ErrorKind::failed,
        fmt::format("{} of {} failed: {}{}", count, counted(options_.hosts, "host", "hosts"),
                    fmt::join(failed, "; "), count > named_at_most ? "; …" : ""));
  }

  const DemoOptions& options_;
  Context& context_;
  SignalWatch& signals_;
  fs::path source_;
  std::optional<SourceTree> tree_;  ///< absent: the source is a file
  events::Packed packed_;
  DemoFigures figures_;
  FleetState fleet_;
  DemoOrigin origin_;
  std::uint64_t origin_sent_ = 0;  ///< over its link, until the last host was complete
  double start_ = 0;               ///< of the first peer, on the monotonic clock, seconds
  Instant next_fleet_event_{};
  // In the order in which they are made; they go the other way round.
  std::optional<WorkFolder> work_;
  std::unique_ptr<lab::Lab> lab_;
  std::optional<FleetWatch> watch_;
};

}  // namespace

void run_demo(const DemoOptions& options, Context& context) {
  net::ignore_sigpipe();
  raise_descriptor_limit();
  SignalWatch signals;
  try {
    Demo(options, context, signals).run();
  } catch (const Error&) {
    // Ctrl-C reaches the children too: what broke because of it is no error of its own.
    signals.check();
    throw;
  }
}

}  // namespace murder::cli
