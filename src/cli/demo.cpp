// The story of a demo, step by step.
#include "cli/demo.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <vector>

#include "base/error.hpp"
#include "cli/demo_machines.hpp"
#include "cli/demo_report.hpp"
#include "cli/reference.hpp"
#include "cli/side_by_side.hpp"
#include "cli/signal_watch.hpp"
#include "cli/tree_compare.hpp"
#include "cli/tree_copy.hpp"
#include "cli/wording.hpp"
#include "net/signals.hpp"
#include "node/torrent_maker.hpp"
#include "release/scan.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

const std::string first_tag = "v1";
const std::string next_tag = "v2";
/// In DEST: the check fails where it is. Not in the release, so that it tells of the host.
const std::string sign_of_illness = "unwell";
const std::string new_file = "new-in-v2.txt";
constexpr std::size_t fewest_hosts_to_fail = 3;  // one a wave

constexpr std::uint64_t block_bytes = 4096;
constexpr std::uint64_t entry_bytes = 1024;          // that a folder or an inode takes
constexpr std::uint64_t own_of_host_bytes = 32_MiB;  // murder itself, keys, logs
constexpr double room_margin = 1.1;
constexpr std::size_t named_at_most = 5;

std::uint64_t whole_blocks(std::uint64_t bytes) {
  return (bytes + block_bytes - 1) / block_bytes * block_bytes;
}

/// Sessions and pipes of every host: more descriptors than a shell allows at first.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

struct Waves {
  std::string flag;           ///< of --waves; empty: all at once
  std::size_t first_two = 0;  ///< hosts of the first two
};

/// One host, then so many that it is a quarter of all (one more, of a few), then the others.
Waves waves_of(std::size_t hosts) {
  constexpr std::size_t enough_for_quarters = 5;
  if (hosts >= enough_for_quarters) return {"1,25%,100%", (hosts + 3) / 4};
  if (hosts >= fewest_hosts_to_fail) return {"1,2,100%", 2};
  return {hosts == 1 ? "" : "1,100%", hosts};
}

class Demo {
 public:
  Demo(const DemoOptions& options, Context& context, SignalWatch& signals)
      : options_(options),
        context_(context),
        signals_(signals),
        source_(fs::absolute(options.source)),
        waves_(waves_of(options.hosts)) {}

  void run() {
    look_at_source();
    require_programs_of_hosts();
    machines_.emplace(context_, signals_);
    pack();
    machines_->make_room(room_needed(), options_.hosts);
    machines_->make_network(options_.hosts, options_.link, options_.namespaces);
    measure_reference();
    machines_->start_hosts();
    deploy_first();
    make_next();
    if (options_.fail) make_unwell();
    deploy_next();
    compare();
    figures_.shaped = machines_->lab().has_shaped_links();
    figures_.in_memory = machines_->in_memory();
    machines_.reset();
    report();
  }

 private:
  void say(const std::string& words) { context_.reporter->say(words); }
  void warn(const std::string& words) { context_.reporter->emit(events::Warning{words}); }

  /// Finds out whether there is anything to do before anything is made.
  void look_at_source() {
    if (options_.fail && options_.hosts < fewest_hosts_to_fail)
      throw Error(ErrorKind::usage,
                  fmt::format("--fail: three waves take {} hosts; give more --hosts",
                              fewest_hosts_to_fail));
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
    request.output = machines_->work_folder() / (tree_ ? "release.tar.zst" : "release.torrent");
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
    figures_.hosts = options_.hosts;
    figures_.pack_bytes = packed_.pack_bytes;
    figures_.source_bytes = packed_.source_bytes;
    figures_.files = packed_.files;
    figures_.link = options_.link;
  }

  /// What all hosts write: two releases, each as a pack and as what comes out of it. And the
  /// control machine: the next release, and packs.
  std::uint64_t room_needed() const {
    const std::uint64_t pack_room = whole_blocks(packed_.pack_bytes);
    std::uint64_t release_room = pack_room;
    if (tree_) {
      release_room = 0;
      for (const SourceEntry& item : tree_->entries)
        release_room += entry_bytes + whole_blocks(item.entry.size);
    }
    const std::uint64_t each = 2 * (pack_room + release_room) + own_of_host_bytes;
    const std::uint64_t all = each * options_.hosts + release_room + pack_room + own_of_host_bytes;
    return static_cast<std::uint64_t>(static_cast<double>(all) * room_margin);
  }

  void measure_reference() {
    figures_.reference =
        cli::measure_reference(machines_->lab(), packed_.path, options_.link, signals_);
    const Reference& reference = figures_.reference;
    say(fmt::format("one plain copy takes {}, one server to all {} would take {}",
                    format_duration(from_seconds(reference.plain_copy_s)), options_.hosts,
                    format_duration(from_seconds(reference.fan_out_to(options_.hosts)))));
  }

  /// The words of a `murder deploy`, without the name of the command.
  std::vector<std::string> deploy_words(const fs::path& source, const std::string& tag) const {
    const lab::SshHosts& hosts = machines_->hosts();
    // Where hosts differ in DEST, the list of hosts names it for each, and that counts.
    const fs::path dest =
        hosts.have_own_files() ? hosts.dest(1) : machines_->control_folder() / "app";
    return {
        source.native(), "--hosts", hosts.hosts_file().filename().native(), "--to", dest.native(),
        "--tag",         tag};
  }

  void deploy_first() {
    say(fmt::format(
        "\nThe hosts have sshd and nothing else. The first deploy brings {}, and murder "
        "itself:",
        first_tag));
    const auto deployed = machines_->control().deploy(deploy_words(source_, first_tag),
                                                      ControlMachine::Report::first_line);
    if (deployed.status != 0)
      throw Error(deployed.status == static_cast<int>(ErrorKind::partial) ? ErrorKind::partial
                                                                          : ErrorKind::failed,
                  fmt::format("the first deploy ended with status {}: {}", deployed.status,
                              deployed.outcome.error));
    figures_.first_deploy_s = deployed.outcome.seconds;
  }

  /// The same with one file more, or for a file with one line more.
  void make_next() {
    next_ = machines_->control_folder() / next_tag;
    const auto meanwhile = [this] { signals_.check(); };
    fs::path changed = next_ / new_file;
    if (tree_) {
      copy_tree(*tree_, next_, meanwhile);
    } else {
      fs::create_directory(next_);
      next_ /= source_.filename();
      changed = next_;
      fs::copy_file(source_, next_);
      fs::permissions(next_, fs::perms::owner_write, fs::perm_options::add);
    }
    if (!(std::ofstream(changed, std::ios::app) << "What is new: this.\n").flush())
      throw Error(ErrorKind::failed, fmt::format("cannot write {}", printable(changed.native())));
    if (tree_) next_tree_ = scan_tree(next_, {});
    say(fmt::format(
        "\n{} is {} and one {}. It is switched to in waves, and each host is checked:", next_tag,
        first_tag, tree_ ? "file more, " + new_file : std::string("line more")));
  }

  void make_unwell() {
    unwell_ = waves_.first_two;
    const fs::path sign = machines_->hosts().dest_from_outside(unwell_) / sign_of_illness;
    if (!std::ofstream(sign))
      throw Error(ErrorKind::failed, fmt::format("cannot write {}", printable(sign.native())));
    figures_.unwell = machines_->hosts().name(unwell_);
    say(fmt::format("But {}, of the second wave, is unwell:\n{}:~# touch {}", figures_.unwell,
                    figures_.unwell,
                    (machines_->hosts().dest(unwell_) / sign_of_illness).native()));
  }

  void deploy_next() {
    std::vector<std::string> words =
        deploy_words(next_.lexically_relative(machines_->control_folder()), next_tag);
    if (!waves_.flag.empty()) words.insert(words.end(), {"--waves", waves_.flag});
    words.insert(words.end(), {"--check", fmt::format("test ! -e $MURDER_DEST/{}", sign_of_illness),
                               "--check-retries", "1", "--rollback-on-failure"});
    const std::vector<std::uint64_t> sent_before = sent();
    const auto deployed =
        machines_->control().deploy(std::move(words), ControlMachine::Report::whole);
    deployed_ = deployed.outcome;
    if (deployed_.hosts.empty())
      throw Error(ErrorKind::failed, fmt::format("the second deploy ended with status {}: {}",
                                                 deployed.status, deployed_.error));
    const std::vector<std::uint64_t> sent_after = sent();
    const auto copies = [&](std::size_t host) {
      return static_cast<double>(sent_after[host] - sent_before[host]) /
             static_cast<double>(packed_.pack_bytes);
    };
    if (machines_->lab().has_shaped_links()) {
      figures_.control_copies = copies(0);
      for (std::size_t host = 1; host <= options_.hosts; ++host)
        if (machines_->hosts().name(host) == deployed_.origin)
          figures_.seeder_copies = copies(host);
    }
    figures_.went_back = deployed.status == 1 && went_back();
    figures_.take(deployed_);
    const auto busy = [&](double from_s, double to_s) { return deployed.busy_share(from_s, to_s); };
    if (!figures_.complete_s.empty() && !figures_.staged_s.empty()) {
      const double begin = figures_.fetch_begins_s;
      const double complete = begin + figures_.complete_s.back();
      figures_.transfer_busy = busy(begin, complete);
      figures_.staging_busy = busy(complete, begin + figures_.staged_s.back());
    }
  }

  /// Bytes that have left each machine of the lab.
  std::vector<std::uint64_t> sent() const {
    std::vector<std::uint64_t> bytes;
    for (std::size_t host = 0; host <= options_.hosts; ++host)
      bytes.push_back(machines_->lab().bytes_sent(host));
    return bytes;
  }

  /// The unwell host's check failed, the two waves went back, the third never began.
  bool went_back() const {
    for (std::size_t i = 0; i < deployed_.hosts.size(); ++i) {
      const DeployedHost& host = deployed_.hosts[i];
      const bool in_first_two = i < waves_.first_two;
      if (host.state != (in_first_two ? "rolled_back" : "not_switched")) return false;
      if ((host.wave != 0) != in_first_two) return false;
      if (host.failed_in != (i + 1 == unwell_ ? "check" : "")) return false;
    }
    return deployed_.hosts.size() == options_.hosts;
  }

  void compare() {
    differences_.resize(options_.hosts);
    side_by_side(
        options_.hosts,
        [this](std::size_t i, const std::stop_token& stop) {
          differences_[i] = difference_of(i + 1, stop);
        },
        [this](std::size_t finished) {
          context_.reporter->show(
              {LiveLine{fmt::format("comparing every file: {} of {}", finished,
                                    counted(options_.hosts, "host", "hosts"))}});
        },
        signals_);
    figures_.verified = static_cast<std::size_t>(std::ranges::count(differences_, std::string()));
  }

  /// How what is live on a host differs from what should be; empty: in nothing.
  std::string difference_of(std::size_t host, const std::stop_token& stop) const {
    const fs::path live = machines_->hosts().dest_from_outside(host) / "current";
    const std::string& tag = options_.fail ? first_tag : next_tag;
    try {
      const std::string live_tag = fs::read_symlink(live).filename().native();
      if (live_tag != tag) return fmt::format("{} is live, not {}", printable(live_tag), tag);
      const auto differences =
          tree_ ? compare_tree(options_.fail ? *tree_ : *next_tree_, live, stop)
                : compare_file(options_.fail ? source_ : next_, live / source_.filename(), stop);
      return differences.empty()
                 ? std::string()
                 : fmt::format("differs from the source: {}", fmt::join(differences, "; "));
    } catch (const fs::filesystem_error& error) {
      return fmt::format("nothing is live: {}", error.code().message());
    } catch (const std::exception& error) {
      return error.what();
    }
  }

  /// What became of the hosts that are not as they should be.
  std::vector<std::string> failures() const {
    std::vector<std::string> failed;
    for (std::size_t i = 0; i < deployed_.hosts.size(); ++i) {
      const DeployedHost& host = deployed_.hosts[i];
      const bool has_failed = !host.good && !options_.fail;
      const std::string& why = has_failed && !host.reason.empty() ? host.reason : differences_[i];
      if (has_failed || !why.empty())
        failed.push_back(fmt::format("{}: {}", host.name, printable(why, 500)));
    }
    return failed;
  }

  void report() {
    figures_.tag = options_.fail ? first_tag : next_tag;
    std::vector<std::string> failed = failures();
    // For people the error below says it, unless there are more than it has room for.
    if (context_.json || failed.size() > named_at_most)
      for (const std::string& failure : failed) warn(failure);
    if (context_.json)
      context_.reporter->emit(summary_of(figures_));
    else
      context_.reporter->data("\n" + report_of(figures_));
    const std::size_t count = failed.size();
    failed.resize(std::min(count, named_at_most));
    if (count > 0)
      throw Error(
          figures_.verified > 0 && !options_.fail ? ErrorKind::partial : ErrorKind::failed,
          fmt::format("{} of {} failed: {}{}", count, counted(options_.hosts, "host", "hosts"),
                      fmt::join(failed, "; "), count > named_at_most ? "; …" : ""));
    if (options_.fail && !figures_.went_back)
      throw Error(ErrorKind::failed,
                  fmt::format("{} was to stop {} and to bring {} back everywhere, and did not: {}",
                              figures_.unwell, next_tag, first_tag, deployed_.error));
  }

  const DemoOptions& options_;
  Context& context_;
  SignalWatch& signals_;
  fs::path source_;
  Waves waves_;
  std::optional<SourceTree> tree_;  ///< absent: the source is a file
  events::Packed packed_;
  std::optional<DemoMachines> machines_;
  fs::path next_;  ///< the next release: a folder, or a file
  std::optional<SourceTree> next_tree_;
  std::size_t unwell_ = 0;  ///< number of the host; 0: none
  DeployOutcome deployed_;  ///< of the next release
  std::vector<std::string> differences_;
  DemoFigures figures_;
};

}  // namespace

void run_demo(const DemoOptions& options, Context& context) {
  net::ignore_sigpipe();
  raise_descriptor_limit();
  SignalWatch signals;
  try {
    Demo(options, context, signals).run();
  } catch (const Error&) {
    // What broke because of it is no error of its own.
    signals.check();
    throw;
  }
}

}  // namespace murder::cli
