#include "cli/fleet_release.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <memory>

#include "cli/fleet_session.hpp"
#include "cli/wording.hpp"
#include "fleet/release_work.hpp"

namespace murder::cli {
namespace {

FleetCommand command_of(const FleetReleaseArguments& arguments, const char* name,
                        fleet::Goal goal) {
  refuse_bad_destination(arguments.to);
  FleetCommand command;
  command.name = name;
  command.dest = arguments.to;
  command.tag = arguments.tag;
  command.goal = goal;
  return command;
}

struct Listed {
  std::string host;
  std::string live;
  std::string previous;
  std::vector<std::string> others;
};

/// Who runs what: a line a host.
std::string table_of(std::vector<Listed> hosts) {
  std::sort(hosts.begin(), hosts.end(),
            [](const Listed& a, const Listed& b) { return a.host < b.host; });
  std::size_t name = 4;
  std::size_t live = 4;
  std::size_t previous = 8;
  for (const Listed& host : hosts) {
    name = std::max(name, host.host.size());
    live = std::max(live, host.live.size());
    previous = std::max(previous, host.previous.size());
  }
  const auto line = [&](const std::string& a, const std::string& b, const std::string& c,
                        const std::string& d) {
    std::string text = fmt::format("{:<{}}  {:<{}}  {:<{}}  {}", a, name, b, live, c, previous, d);
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
  };
  const auto or_dash = [](const std::string& text) { return text.empty() ? "-" : printable(text); };
  std::string table = line("HOST", "LIVE", "PREVIOUS", "OTHERS");
  for (const Listed& host : hosts)
    table += line(host.host, or_dash(host.live), or_dash(host.previous),
                  fmt::format("{}", fmt::join(host.others, " ")));
  return table;
}

void add_flags(FleetReleaseArguments& arguments, CLI::App& command, bool switches) {
  arguments.hosts.add_to(command);
  arguments.ssh.add_to(command);
  if (switches) arguments.rollout.add_to(command);
}

void activate_on_fleet(const FleetReleaseArguments& arguments, Context& context) {
  fleet::ActivationOptions options = arguments.rollout.options();
  options.tag = arguments.tag;
  const fleet::Goal goal = options.checks() ? fleet::Goal::healthy : fleet::Goal::activated;
  run_on_fleet(
      command_of(arguments, "activate", goal), arguments.hosts, arguments.ssh,
      [&](fleet::Fleet& fleet) { return std::make_unique<fleet::ActivateWork>(fleet, options); },
      context);
}

void rollback_on_fleet(const FleetReleaseArguments& arguments, Context& context) {
  fleet::ActivationOptions options = arguments.rollout.options();
  options.tag = arguments.tag;
  run_on_fleet(
      command_of(arguments, "rollback", fleet::Goal::rolled_back), arguments.hosts, arguments.ssh,
      [&](fleet::Fleet& fleet) { return std::make_unique<fleet::RollbackWork>(fleet, options); },
      context);
}

void list_on_fleet(const FleetReleaseArguments& arguments, Context& context) {
  std::vector<Listed> listed;
  const fleet::ReleasesWork::Tell tell = [&](const fleet::Member& member,
                                             const orders::Releases& releases) {
    Listed host{member.host.name, "", releases.previous, {}};
    for (const orders::ReleaseInfo& release : releases.releases) {
      if (context.json)
        context.reporter->emit(events::Release{release.tag, release.live, release.partial,
                                               release.staged_at, member.host.name});
      if (release.live)
        host.live = release.tag;
      else if (release.tag != releases.previous)
        host.others.push_back(printable(release.tag) + (release.partial ? " (partial)" : ""));
    }
    listed.push_back(std::move(host));
  };
  const auto show = [&] {
    if (!context.json && !listed.empty()) context.reporter->data(table_of(listed));
  };
  run_on_fleet(
      command_of(arguments, "releases", fleet::Goal::answered), arguments.hosts, arguments.ssh,
      [&](fleet::Fleet& fleet) { return std::make_unique<fleet::ReleasesWork>(fleet, tell); },
      context, show);
}

void verify_on_fleet(const FleetReleaseArguments& arguments, Context& context) {
  const fleet::VerifyWork::Tell tell = [&](const fleet::Member& member,
                                           const orders::Verified& verified) {
    for (const orders::DriftInfo& drift : verified.drifts) {
      events::Drifted event{verified.tag, drift.path, drift.kind, drift.detail, member.host.name};
      if (context.json)
        context.reporter->emit(event);
      else
        context.reporter->data(member.host.name + "  " + drift_line(event));
    }
  };
  run_on_fleet(
      command_of(arguments, "verify", fleet::Goal::answered), arguments.hosts, arguments.ssh,
      [&](fleet::Fleet& fleet) {
        return std::make_unique<fleet::VerifyWork>(fleet, arguments.tag, tell);
      },
      context);
}

}  // namespace

const ReleasesOfFleet releases_of_a_fleet{add_flags, activate_on_fleet, rollback_on_fleet,
                                          list_on_fleet, verify_on_fleet};

void prune_on_fleet(const FleetReleaseArguments& arguments, std::uint32_t keep, Context& context) {
  run_on_fleet(
      command_of(arguments, "prune", fleet::Goal::answered), arguments.hosts, arguments.ssh,
      [&](fleet::Fleet& fleet) { return std::make_unique<fleet::PruneWork>(fleet, keep); },
      context);
}

}  // namespace murder::cli
