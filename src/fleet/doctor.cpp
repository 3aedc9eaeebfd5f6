#include "fleet/doctor.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/endpoint.hpp"
#include "base/error.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

constexpr Duration patience = std::chrono::seconds(30);
/// What each host tries to reach; with the others trying it, every pair of racks is likely to be
/// tried.
constexpr std::size_t neighbours_tried = 4;
constexpr std::uint16_t tracker_port = 8998;

double now_ms() {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count());
}

/// `whose`: by endpoint. Of each host that was tried there is one for transfers, and perhaps one
/// for the tracker.
Finding judge_ports(const orders::Probed& probed, const std::map<std::string, const Member*>& whose,
                    std::size_t tried, const std::string& swarm_ports) {
  std::vector<std::string> blocked;
  std::size_t transfers_blocked = 0;
  for (const auto& result : probed.results) {
    const auto owner = whose.find(result.endpoint);
    if (result.ok || owner == whose.end()) continue;
    blocked.push_back(fmt::format("{} ({}): {}", owner->second->host.name,
                                  printable(result.endpoint), printable(result.reason)));
    const auto endpoint = Endpoint::parse(result.endpoint);
    if (endpoint && endpoint->port != tracker_port) ++transfers_blocked;
  }
  if (blocked.empty())
    return {Severity::fine, "ports",
            fmt::format("{} host{} tried, all answer", tried, tried == 1 ? "" : "s"), ""};
  return {transfers_blocked == tried ? Severity::problem : Severity::warning, "ports",
          fmt::format("no way to {}", fmt::join(blocked, ", ")),
          fmt::format("open {} between the hosts: without it such a host is fed over ssh, from "
                      "this machine",
                      swarm_ports)};
}

}  // namespace

asio::awaitable<void> DoctorWork::run() {
  co_await reach_all(Phase::check, [this](Member& member) { return examine(member); });
  judge_addresses();
  std::vector<Member*> members = fleet_.connected();
  if (members.size() > 1 && !fleet_.interrupted()) {
    co_await fleet_.on_each(members, Phase::check,
                            [this](Member& member) { return listen(member); });
    co_await fleet_.on_each(members, Phase::check,
                            [this](Member& member) { return probe(member); });
  }
  for (Member* member : fleet_.all()) {
    std::vector<Finding>& findings = findings_[member];
    judge_session(*member);
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

void DoctorWork::add(const Member& member, Finding finding) {
  findings_[&member].push_back(std::move(finding));
}

/// First of a host's findings, since without a session there is no other.
void DoctorWork::judge_session(const Member& member) {
  Finding finding{Severity::fine, "ssh", "", ""};
  if (member.failed()) {
    finding.severity = Severity::problem;
    finding.found = member.report.reason;
    finding.way_out =
        member.report.reached_s ? "" : "until ssh gets there nothing else can be told";
  } else if (!member.is_connected()) {
    return;  // interrupted before its turn
  } else if (member.drops > 0) {
    finding.severity = Severity::warning;
    finding.found = fmt::format("the handshake was dropped {} before it was taken",
                                member.drops == 1 ? "once" : fmt::format("{} times", member.drops));
    finding.way_out =
        "raise MaxStartups in sshd_config there, or on the jump host, or lower "
        "--concurrency";
  } else {
    finding.found = fmt::format("answers after {}",
                                format_duration(from_seconds(member.report.reached_s.value_or(0))));
  }
  std::vector<Finding>& findings = findings_[&member];
  findings.insert(findings.begin(), std::move(finding));
}

asio::awaitable<void> DoctorWork::examine(Member& member) {
  const double offset_s = (static_cast<double>(member.hello.clock_ms) - now_ms()) / 1000;
  orders::Examine order;
  order.dest = member.dest;
  const orders::Examined examined = co_await fleet_.order(member, std::move(order), patience);
  findings_[&member] = judge(member.hello, examined, offset_s, needs_);
}

/// Where other hosts are to reach it.
void DoctorWork::judge_addresses() {
  std::map<std::string, const Member*> taken;
  for (Member* member : fleet_.connected()) {
    const std::string& address = member->report.address;
    if (address.empty()) {
      add(*member, {Severity::problem, "address", "not known, since sshd does not tell",
                    "give it in the list of hosts: addr=10.0.0.7"});
      continue;
    }
    const auto [other, is_new] = taken.emplace(address, member);
    if (is_new)
      add(*member, {Severity::fine, "address", address, ""});
    else
      add(*member, {Severity::warning, "address",
                    fmt::format("{}, as that of {}", address, other->second->host.name),
                    "if they are two hosts, give each one's own in the list: addr=10.0.0.7"});
  }
}

asio::awaitable<void> DoctorWork::listen(Member& member) {
  std::string reason;
  try {
    co_await try_to_listen(member);
  } catch (const Error& error) {
    if (!member.is_connected()) throw;
    reason = error.what();
  }
  if (!reason.empty())
    add(member,
        {Severity::problem, "ports", reason,
         fmt::format("addr= in the list of hosts is to be an address of the host itself, with "
                     "one of the ports {} free",
                     fleet_.ports().empty() ? "8999 to 9029" : fleet_.ports())});
}

asio::awaitable<void> DoctorWork::try_to_listen(Member& member) {
  orders::Listen order;
  order.address = member.report.address;
  order.ports = fleet_.ports();
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
  add(member, judge_ports(probed, whose, tried, fleet_.swarm_ports()));
}

}  // namespace murder::fleet
