// murder status, history, logs: what the local record knows of past and running deploys, and the
// tracker of a live swarm.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fmt/format.h>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "cli/record_wording.hpp"
#include "cli/signal_watch.hpp"
#include "cli/swarm_status.hpp"
#include "cli/wording.hpp"
#include "fleet/history.hpp"
#include "fleet/name_ranges.hpp"
#include "fleet/record_file.hpp"

namespace murder::cli {
namespace {

constexpr Duration watch_every = std::chrono::seconds(1);

struct StatusArguments {
  std::string id;
  std::string tracker;
  bool watch = false;
};

struct HistoryArguments {
  std::uint32_t limit = 20;
};

struct LogsArguments {
  std::string id;
  std::string host;
};

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

fleet::History open_history() {
  return fleet::History::open(
      fleet::record_path([](const char* name) -> const char* { return std::getenv(name); }),
      now_ms());
}

/// "latest" is the latest, as nothing is.
std::string resolve(fleet::History& history, const std::string& id) {
  return history.resolve(id == "latest" ? std::string_view() : id);
}

fleet::RecordedDeploy find(const std::string& id) {
  fleet::History history = open_history();
  const std::string whole = resolve(history, id);
  auto deploy = history.find(whole);
  if (!deploy) throw Error(ErrorKind::usage, fmt::format("{} was removed meanwhile", whole));
  return std::move(*deploy);
}

events::Deploy to_event(const fleet::DeployRow& row) {
  events::Deploy event;
  event.deploy = row.id;
  event.command = row.command;
  event.tag = row.tag;
  event.dest = row.dest;
  event.started_at = row.started_at_ms / 1000;
  event.seconds = row.seconds;
  event.hosts = static_cast<std::uint32_t>(row.hosts);
  event.good = static_cast<std::uint32_t>(row.good);
  event.failed = static_cast<std::uint32_t>(row.failed);
  event.standing = fleet::standing_name(row.standing);
  event.exit_status = row.exit_status;
  return event;
}

// --- status --------------------------------------------------------------------------------------

void show_deploy(const fleet::RecordedDeploy& deploy, Context& context) {
  context.reporter->data(status_text(deploy, now_ms()));
  if (!context.json) return;
  context.reporter->emit(to_event(deploy.row));
  for (const fleet::HostReport& host : deploy.report.hosts)
    context.reporter->emit(fleet::to_event(host, deploy.report.goal));
}

/// Until it has ended.
fleet::RecordedDeploy watch_deploy(fleet::RecordedDeploy deploy, Context& context) {
  SignalWatch signals;
  while (deploy.row.standing == fleet::Standing::running) {
    context.reporter->show(status_lines(deploy));
    if (context.json) context.reporter->emit(to_event(deploy.row));
    signals.check_for(watch_every);
    deploy = find(deploy.row.id);
  }
  return deploy;
}

void say_swarms(const std::vector<tracker::SwarmView>& swarms, Context& context) {
  for (const tracker::SwarmView& swarm : swarms) {
    events::Fleet fleet;
    fleet.info_hash = swarm.info_hash.hex();
    fleet.hosts = swarm.hosts;
    fleet.complete = swarm.complete_hosts;
    fleet.failed = swarm.failed_hosts;
    for (const tracker::SwarmView::Host& host : swarm.slowest)
      fleet.slowest.push_back({host.name, percent_of(swarm, host)});
    context.reporter->emit(fleet);
  }
}

/// Until every swarm is complete.
std::vector<tracker::SwarmView> watch_swarms(const std::string& url, Context& context) {
  SignalWatch signals;
  while (true) {
    auto swarms = ask_tracker(url);
    const auto is_complete = [](const tracker::SwarmView& swarm) { return swarm.swarm_complete; };
    if (!swarms.empty() && std::all_of(swarms.begin(), swarms.end(), is_complete)) return swarms;
    if (context.json) say_swarms(swarms, context);
    context.reporter->show(swarm_lines(swarms));
    signals.check_for(watch_every);
  }
}

void do_status(const StatusArguments& arguments, Context& context) {
  if (arguments.tracker.empty()) {
    fleet::RecordedDeploy deploy = find(arguments.id);
    if (arguments.watch) deploy = watch_deploy(std::move(deploy), context);
    show_deploy(deploy, context);
    return;
  }
  if (!arguments.id.empty())
    throw Error(ErrorKind::usage, "--tracker: it shows what the tracker knows, of no deploy's id");
  const auto swarms =
      arguments.watch ? watch_swarms(arguments.tracker, context) : ask_tracker(arguments.tracker);
  if (context.json) say_swarms(swarms, context);
  std::string text;
  for (const LiveLine& line : swarm_lines(swarms)) text += line.text + "\n";
  context.reporter->data(text);
}

// --- history, logs -------------------------------------------------------------------------------

void do_history(const HistoryArguments& arguments, Context& context) {
  const auto deploys = open_history().deploys(arguments.limit);
  if (context.json)
    for (const fleet::DeployRow& deploy : deploys) context.reporter->emit(to_event(deploy));
  else if (deploys.empty())
    context.reporter->say("no deploy is recorded yet");
  else
    context.reporter->data(history_table(deploys, now_ms()));
}

void list_logged_hosts(fleet::History& history, const std::string& id, Context& context) {
  const auto hosts = history.logged_hosts(id);
  if (context.json) {
    for (const fleet::LoggedHost& host : hosts)
      for (const fleet::LogLine& entry : history.logs(id, host.host))
        context.reporter->emit(
            events::LogText{id, entry.host, entry.seconds, entry.source, entry.text});
  } else if (hosts.empty()) {
    context.reporter->say(fmt::format("no hook, check or error printed anything in {}", id));
  } else {
    context.reporter->data(logged_hosts_table(hosts));
  }
}

[[noreturn]] void refuse_host(const fleet::RecordedDeploy& deploy, const std::string& host) {
  constexpr std::size_t named = 10;
  std::vector<std::string> names;
  for (const fleet::HostReport& each : deploy.report.hosts) names.push_back(each.name);
  std::vector<std::string> ranges = fleet::name_ranges(names);
  const bool all = ranges.size() <= named;
  if (!all) ranges.resize(named);
  throw Error(
      ErrorKind::usage,
      fmt::format("no host {} in {}: it had {}{}", printable(host), deploy.row.id,
                  printable(fmt::format("{}", fmt::join(ranges, ", ")), 1000), all ? "" : ", …"));
}

void do_logs(const LogsArguments& arguments, Context& context) {
  fleet::History history = open_history();
  const std::string id = resolve(history, arguments.id);
  if (arguments.host.empty()) {
    list_logged_hosts(history, id, context);
    return;
  }
  const fleet::RecordedDeploy deploy = find(id);
  const auto logs = history.logs(id, arguments.host);
  const auto& hosts = deploy.report.hosts;
  const auto host = std::find_if(hosts.begin(), hosts.end(),
                                 [&](const auto& each) { return each.name == arguments.host; });
  if (host == hosts.end() && logs.empty()) refuse_host(deploy, arguments.host);
  for (const fleet::LogLine& entry : logs)
    if (context.json)
      context.reporter->emit(
          events::LogText{id, entry.host, entry.seconds, entry.source, entry.text});
  context.reporter->data(log_text(logs));
  if (logs.empty())
    context.reporter->say(fmt::format("{} printed nothing", printable(arguments.host)));
  if (host != hosts.end() && host->failure)
    context.reporter->say(
        fmt::format("{} failed{}: {}", printable(host->name),
                    host->failed_in ? fmt::format(" in {}", fleet::phase_name(*host->failed_in))
                                    : std::string(),
                    printable(host->reason, 500)));
}

void add_status(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<StatusArguments>();
  CLI::App* command = app.add_subcommand("status", "Show how a deploy stands, or how it ended");
  command->footer(
      "  murder status                                        the latest deploy\n"
      "  murder status 20261122-131502-3fa2\n"
      "  murder status --watch                                until it has ended\n"
      "  murder status --tracker http://origin:8998           a live swarm");
  command->add_option("ID", arguments->id,
                      "Of the deploy; its beginning or its end may do (default: the latest)");
  command
      ->add_option("--tracker", arguments->tracker,
                   "Show what this tracker of murder's (http://) knows of its swarms instead")
      ->type_name("URL")
      ->configurable(false);
  command->add_flag("--watch", arguments->watch, "Show it anew each second until it has ended")
      ->configurable(false);
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { do_status(*arguments, context); };
  });
}

void add_history(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<HistoryArguments>();
  CLI::App* command = app.add_subcommand("history", "List past deploys, the latest first");
  command->footer(
      "  murder history\n"
      "  murder history --limit 100");
  command->add_option("--limit", arguments->limit, "How many at most (default: 20)")
      ->type_name("N");
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { do_history(*arguments, context); };
  });
}

void add_logs(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<LogsArguments>();
  CLI::App* command =
      app.add_subcommand("logs", "Print what hooks, checks and errors said on a host");
  command->footer(
      "  murder logs 20261122-131502-3fa2 web-07\n"
      "  murder logs latest                                   which hosts printed something");
  command
      ->add_option("ID", arguments->id,
                   "Of the deploy; its beginning or its end may do, or 'latest'")
      ->required();
  command->add_option("HOST", arguments->host, "Its name in the inventory");
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { do_logs(*arguments, context); };
  });
}

}  // namespace

void add_record_commands(CLI::App& app, Action& action) {
  add_status(app, action);
  add_history(app, action);
  add_logs(app, action);
}

}  // namespace murder::cli
