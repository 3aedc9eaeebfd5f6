#include "fleet/doctor.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "base/error.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

constexpr Duration patience = std::chrono::seconds(30);
/// What each host tries to reach; with the others trying it, every pair of racks is likely to be
/// tried.
constexpr std::size_t neighbours_tried = 4;
constexpr double clock_tolerance_s = 60;
constexpr std::uint64_t little_room = 1ull << 30;
constexpr std::uint64_t little_memory = 128ull << 20;
constexpr std::uint64_t few_descriptors = 1024;
constexpr std::uint64_t few_inodes = 10'000;

double now_ms() {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count());
}

std::string clock_words(double offset_s) {
  const Duration off = from_seconds(std::abs(offset_s));
  return fmt::format("{} {} of this machine's", format_duration(off),
                     offset_s > 0 ? "ahead" : "behind");
}

}  // namespace

std::vector<Finding> judge(const orders::Hello& hello, const orders::Examined& examined,
                           double clock_offset_s, std::uint64_t needed_bytes) {
  std::vector<Finding> findings;
  const auto add = [&](bool fine, Severity otherwise, std::string what, std::string found,
                       std::string way_out) {
    findings.push_back({fine ? Severity::fine : otherwise, std::move(what), std::move(found),
                        fine ? std::string() : std::move(way_out)});
  };
  add(true, Severity::fine, "system",
      fmt::format("{}, {}, {}, {} processors", examined.system, examined.kernel, hello.machine,
                  examined.processors),
      "");
  add(hello.version == MURDER_VERSION, Severity::warning, "murder", hello.version,
      fmt::format("this machine has {}", MURDER_VERSION));
  add(examined.dest_problem.empty(), Severity::problem, "destination",
      examined.dest_problem.empty() ? fmt::format("can be written ({})", examined.filesystem)
                                    : examined.dest_problem,
      "make it for this user, or give --sudo");
  const std::uint64_t room = std::max(needed_bytes, little_room);
  add(examined.free_bytes >= room,
      examined.free_bytes < needed_bytes ? Severity::problem : Severity::warning, "room",
      fmt::format("{} free", format_bytes(examined.free_bytes)),
      "murder prune --keep N removes old releases");
  add(examined.free_inodes == 0 || examined.free_inodes >= few_inodes, Severity::warning, "inodes",
      fmt::format("{} free", examined.free_inodes), "a release takes one for each file and folder");
  add(std::abs(clock_offset_s) < clock_tolerance_s, Severity::warning, "clock",
      std::abs(clock_offset_s) < clock_tolerance_s ? std::string("agrees with this machine's")
                                                   : clock_words(clock_offset_s),
      "nothing here needs it, but its journal and logs will mislead: set up NTP");
  add(examined.descriptors >= few_descriptors, Severity::warning, "open files",
      fmt::format("{} allowed", examined.descriptors), "raise ulimit -n to 1024 or more");
  add(examined.memory_bytes == 0 || examined.memory_bytes >= little_memory, Severity::warning,
      "memory", fmt::format("{} can be had", format_bytes(examined.memory_bytes)),
      "a transfer takes up to 128 MB");
  add(!examined.fetchers.empty(), Severity::warning, "fetching",
      examined.fetchers.empty() ? std::string("no curl, wget or bash")
                                : fmt::format("{}", fmt::join(examined.fetchers, ", ")),
      "murder itself has to come over ssh from this machine");
  return findings;
}

asio::awaitable<void> DoctorWork::run() {
  co_await reach_all(Phase::check, [this](Member& member) { return examine(member); });
  std::vector<Member*> members = fleet_.connected();
  if (members.size() > 1 && !fleet_.interrupted()) {
    co_await fleet_.on_each(members, Phase::check,
                            [this](Member& member) { return listen(member); });
    co_await fleet_.on_each(members, Phase::check,
                            [this](Member& member) { return probe(member); });
  }
  for (Member* member : fleet_.all()) {
    const std::vector<Finding>& findings = findings_[member];
    if (!member->failed()) {
      const auto problem = std::find_if(findings.begin(), findings.end(), [](const Finding& f) {
        return f.severity == Severity::problem;
      });
      if (problem != findings.end())
        fleet_.fail(*member, Phase::check, ErrorKind::failed,
                    fmt::format("{}: {}; {}", problem->what, problem->found, problem->way_out));
    }
    tell_(*member, findings);
  }
}

asio::awaitable<void> DoctorWork::examine(Member& member) {
  const double offset_s = (static_cast<double>(member.hello.clock_ms) - now_ms()) / 1000;
  orders::Examine order;
  order.dest = member.dest;
  const orders::Examined examined = co_await fleet_.order(member, std::move(order), patience);
  findings_[&member] = judge(member.hello, examined, offset_s, 0);
}

asio::awaitable<void> DoctorWork::listen(Member& member) {
  orders::Listen order;
  order.address = member.report.address;
  const orders::Listening listening = co_await member.session->order(std::move(order), patience);
  listening_[&member] = listening.endpoints;
}

/// The next few hosts of the list, in a ring.
asio::awaitable<void> DoctorWork::probe(Member& member) {
  orders::Probe order;
  std::map<std::string, const Member*> whose;
  const auto& members = fleet_.members();
  std::size_t tried = 0;
  for (std::size_t step = 1; step < members.size() && tried < neighbours_tried; ++step) {
    const Member* other = members[(member.index + step) % members.size()].get();
    const auto listening = listening_.find(other);
    if (listening == listening_.end()) continue;
    ++tried;
    for (const std::string& endpoint : listening->second) {
      order.endpoints.push_back(endpoint);
      whose[endpoint] = other;
    }
  }
  if (order.endpoints.empty()) co_return;
  const orders::Probed probed = co_await member.session->order(std::move(order), patience);
  std::vector<std::string> blocked;
  for (const auto& result : probed.results)
    if (!result.ok)
      blocked.push_back(fmt::format("{} ({}): {}", whose[result.endpoint]->host.name,
                                    printable(result.endpoint), printable(result.reason)));
  const std::size_t all = probed.results.size();
  Finding finding{Severity::fine, "ports", fmt::format("{} of {} answer", all, all), ""};
  if (!blocked.empty()) {
    finding.severity = blocked.size() == all ? Severity::problem : Severity::warning;
    finding.found = fmt::format("no way to {}", fmt::join(blocked, ", "));
    finding.way_out =
        "the swarm needs TCP 8998 to 9060 between the hosts; without them each such host is fed "
        "over ssh";
  }
  findings_[&member].push_back(std::move(finding));
}

}  // namespace murder::fleet
