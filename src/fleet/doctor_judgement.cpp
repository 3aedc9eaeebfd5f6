// What a host's answers to the doctor mean: thresholds and words, nothing else.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <utility>

#include "base/error.hpp"
#include "base/units.hpp"
#include "fleet/doctor.hpp"

namespace murder::fleet {
namespace {

constexpr double clock_tolerance_s = 60;
/// Where nothing is known of the release: less is too little for any, or little for many.
constexpr std::uint64_t no_room = 16_MiB;
constexpr std::uint64_t little_room = 1_GiB;
constexpr std::uint64_t little_memory = 128_MiB;
/// What a transfer opens when it has all its links.
constexpr std::uint64_t fewest_descriptors = 64;
constexpr std::uint64_t few_descriptors = 1024;
constexpr std::uint64_t fewest_inodes = 100;
constexpr std::uint64_t few_inodes = 10'000;

std::string clock_words(double offset_s) {
  const Duration off = from_seconds(std::abs(offset_s));
  return fmt::format("{} {} this machine's", format_duration(off),
                     offset_s > 0 ? "ahead of" : "behind");
}

class Judgement {
 public:
  Judgement(const orders::Hello& hello, const orders::Examined& examined, const Needs& needs)
      : hello_(hello), examined_(examined), needs_(needs) {}

  std::vector<Finding> all(double clock_offset_s) {
    add(Severity::fine, "system",
        fmt::format("{}, {}, {}, {} processor{}", examined_.system, examined_.kernel,
                    hello_.machine, examined_.processors, examined_.processors == 1 ? "" : "s"),
        "");
    add(hello_.version == MURDER_VERSION ? Severity::fine : Severity::warning, "murder",
        hello_.version,
        fmt::format("this machine has {}: MURDER_HOST_BINARY names a build of another version",
                    MURDER_VERSION));
    judge_destination();
    judge_room();
    judge_inodes();
    judge_clock(clock_offset_s);
    judge_limits();
    add(!examined_.fetchers.empty() ? Severity::fine : Severity::warning, "fetching",
        examined_.fetchers.empty() ? std::string("no curl, wget or bash")
                                   : fmt::format("{}", fmt::join(examined_.fetchers, ", ")),
        "murder itself comes over ssh from this machine: install curl there to spare it that");
    return std::move(findings_);
  }

 private:
  void judge_destination() {
    const std::string& problem = examined_.dest_problem;
    // The host says what to do behind the first semicolon.
    const std::size_t end = problem.find("; ");
    if (!problem.empty())
      add(Severity::problem, "destination", problem.substr(0, end),
          end == std::string::npos ? "make it for this user, or give --sudo"
                                   : problem.substr(end + 2));
    else if (examined_.noexec)
      add(Severity::warning, "destination", "can be written, and is mounted noexec",
          "programs of a release cannot be run there: mount it with exec if there are any");
    else
      add(Severity::fine, "destination", fmt::format("can be written ({})", examined_.filesystem),
          "");
  }

  void judge_room() {
    const std::uint64_t free = examined_.free_bytes;
    const std::string found = fmt::format("{} free", format_bytes(free));
    const std::string prune = "murder prune --keep N removes old releases";
    if (needs_.bytes > 0)
      add(free < needs_.bytes ? Severity::problem : Severity::fine, "room",
          fmt::format("{}, {} needed", found, format_bytes(needs_.bytes)), prune);
    else if (examined_.live_bytes > 0)
      add(free < examined_.live_bytes ? Severity::problem : Severity::fine, "room",
          fmt::format("{}; {}, which is live, took {}", found, printable(examined_.live),
                      format_bytes(examined_.live_bytes)),
          prune);
    else
      add(free < no_room       ? Severity::problem
          : free < little_room ? Severity::warning
                               : Severity::fine,
          "room", found, prune + "; --for SOURCE says whether it is enough");
  }

  void judge_inodes() {
    const std::uint64_t free = examined_.free_inodes;
    // Filesystems without a table of them.
    if (free == 0 || free == std::numeric_limits<std::uint64_t>::max()) {
      add(free == 0 && examined_.free_bytes > 0 ? Severity::problem : Severity::fine, "inodes",
          free == 0 ? "none free" : "no limit", "a release takes one for each file and folder");
      return;
    }
    const std::uint64_t needed = needs_.entries > 0 ? needs_.entries : examined_.live_entries;
    const Severity severity = free < std::max(needed, fewest_inodes) ? Severity::problem
                              : needed == 0 && free < few_inodes     ? Severity::warning
                                                                     : Severity::fine;
    add(severity, "inodes",
        needed > 0 ? fmt::format("{} free, {} needed", free, needed) : fmt::format("{} free", free),
        "a release takes one for each file and folder");
  }

  void judge_clock(double offset_s) {
    const bool fine = std::abs(offset_s) < clock_tolerance_s;
    add(fine ? Severity::fine : Severity::warning, "clock",
        fine ? std::string("agrees with this machine's") : clock_words(offset_s),
        "a deploy does not need it, but journal and logs there will mislead: set up NTP");
  }

  void judge_limits() {
    const std::uint64_t descriptors = examined_.descriptors;
    add(descriptors < fewest_descriptors ? Severity::problem
        : descriptors < few_descriptors  ? Severity::warning
                                         : Severity::fine,
        "open files", fmt::format("{} allowed", descriptors),
        "raise ulimit -n to 1024 or more (limits.conf, or LimitNOFILE= of sshd)");
    if (examined_.file_bytes > 0)
      add(examined_.file_bytes < needs_.largest_file ? Severity::problem : Severity::warning,
          "file size",
          fmt::format("at most {}{}", format_bytes(examined_.file_bytes),
                      needs_.largest_file > 0
                          ? fmt::format(", {} needed", format_bytes(needs_.largest_file))
                          : std::string()),
          "a pack is one file: lift ulimit -f");
    add(examined_.memory_bytes == 0 || examined_.memory_bytes >= little_memory ? Severity::fine
                                                                               : Severity::warning,
        "memory", fmt::format("{} can be had", format_bytes(examined_.memory_bytes)),
        "a transfer takes up to 128 MB");
  }

  void add(Severity severity, std::string what, std::string found, std::string way_out) {
    if (severity == Severity::fine) way_out.clear();
    findings_.push_back({severity, std::move(what), std::move(found), std::move(way_out)});
  }

  const orders::Hello& hello_;
  const orders::Examined& examined_;
  const Needs& needs_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> judge(const orders::Hello& hello, const orders::Examined& examined,
                           double clock_offset_s, const Needs& needs) {
  return Judgement(hello, examined, needs).all(clock_offset_s);
}

}  // namespace murder::fleet
