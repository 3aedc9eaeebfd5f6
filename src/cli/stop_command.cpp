// murder stop: ends what was started in the background, and nothing else.
#include <algorithm>
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/units.hpp"
#include "cli/background.hpp"
#include "cli/command_table.hpp"
#include "cli/commands.hpp"
#include "cli/wording.hpp"
#include "host/daemons.hpp"

namespace murder::cli {
namespace {

struct StopArguments {
  std::string role;
  std::string name;
  bool all = false;
  bool list = false;
  std::string kill_after = "10s";
};

/// "tracker 0.0.0.0:8998", "seed v7", "peer v7 at /srv/app".
std::string described(const Daemon& daemon) {
  std::string words = fmt::format("{} {}", daemon.role, printable(daemon.name));
  if (daemon.role == "peer") words += " at " + printable(daemon.place, 4096);
  return words;
}

/// A tracker is meant by its port as well.
bool has_name(const Daemon& daemon, const std::string& name) {
  if (daemon.name == name) return true;
  return daemon.role == "tracker" && daemon.name.ends_with(":" + name) &&
         name.find(':') == std::string::npos;
}

void check(const StopArguments& arguments) {
  const bool is_role =
      arguments.role == "tracker" || arguments.role == "seed" || arguments.role == "peer";
  if (!arguments.role.empty() && !is_role)
    throw Error(ErrorKind::usage,
                fmt::format("'{}' is none of tracker, seed and peer", printable(arguments.role)));
  if (arguments.all && !arguments.name.empty())
    throw Error(ErrorKind::usage,
                fmt::format("--all and '{}' exclude each other", printable(arguments.name)));
  if (arguments.list && arguments.all)
    throw Error(ErrorKind::usage, "--list ends nothing, and --all is for what ends something");
  if (arguments.list || arguments.all) return;
  if (arguments.role.empty())
    throw Error(ErrorKind::usage,
                "what is to be stopped is missing: tracker, seed TAG, peer TAG, or --all; --list "
                "says what runs");
  if (arguments.name.empty() && arguments.role != "tracker")
    throw Error(ErrorKind::usage, fmt::format("which {} is missing: its TAG, or --all",
                                              arguments.role == "seed" ? "seeder" : "peer"));
}

std::vector<Daemon> chosen(const std::vector<Daemon>& running, const StopArguments& arguments) {
  std::vector<Daemon> daemons;
  std::ranges::copy_if(running, std::back_inserter(daemons), [&](const Daemon& daemon) {
    return (arguments.role.empty() || daemon.role == arguments.role) &&
           (arguments.name.empty() || has_name(daemon, arguments.name));
  });
  const bool is_vague = arguments.name.empty() && !arguments.all && !arguments.list;
  if (!is_vague || daemons.size() < 2) return daemons;
  std::string names;
  for (const Daemon& daemon : daemons)
    names += (names.empty() ? "" : ", ") + printable(daemon.name);
  throw Error(ErrorKind::usage, fmt::format("{} trackers run here: {}; name one, or say --all",
                                            daemons.size(), names));
}

std::string what(const StopArguments& arguments) {
  const std::string role = arguments.role == "seed" ? "seeder" : arguments.role;
  if (role.empty()) return "nothing of murder's";
  return fmt::format("no {}{}{}", role, arguments.name.empty() ? "" : " ",
                     printable(arguments.name));
}

void list(const std::vector<Daemon>& daemons, Context& context) {
  std::vector<events::Daemon> listed;
  for (const Daemon& daemon : daemons) {
    listed.push_back(to_event(daemon, daemon.serves ? "running" : "starting"));
    context.reporter->emit(listed.back());
  }
  if (!listed.empty()) context.reporter->data(daemon_table(listed));
}

/// True: it is over, one way or the other.
bool report(const Daemon& daemon, const Ending& ending, Context& context) {
  switch (ending.how) {
    case Ending::How::gone:
      context.reporter->say(fmt::format("{} had ended by itself", described(daemon)));
      return true;
    case Ending::How::ended:
      context.reporter->emit(to_event(daemon, "stopped"));
      context.reporter->say(
          fmt::format("{} is stopped (process {})", described(daemon), daemon.process.pid));
      return true;
    case Ending::How::killed:
      context.reporter->emit(to_event(daemon, "killed"));
      context.reporter->say(fmt::format("{} did not end by itself and was killed (process {})",
                                        described(daemon), daemon.process.pid));
      return true;
    case Ending::How::failed:
      context.reporter->emit(events::Warning{ending.reason});
      break;
  }
  return false;
}

void run(const StopArguments& arguments, Context& context) {
  check(arguments);
  const Duration patience = parse_duration(arguments.kill_after, "--kill-after");
  const auto folder = own_daemon_folder();
  const std::vector<Daemon> daemons = chosen(running_daemons(folder), arguments);
  if (daemons.empty())
    context.reporter->say(fmt::format("{} runs in the background here", what(arguments)));
  if (arguments.list) return list(daemons, context);

  const std::vector<Ending> endings = end_daemons(folder, daemons, patience);
  std::uint64_t left = 0;
  for (std::size_t i = 0; i < daemons.size(); ++i)
    if (!report(daemons[i], endings[i], context)) ++left;
  if (left > 0)
    throw Error(ErrorKind::failed,
                fmt::format("{} of {} could not be stopped", left, daemons.size()));
}

}  // namespace

void add_stop(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<StopArguments>();
  CLI::App* command =
      app.add_subcommand("stop", "End trackers, seeders and peers that run in the background");
  command->footer(
      "  murder stop tracker\n"
      "  murder stop seed v7\n"
      "  murder stop peer --all\n"
      "  murder stop --list");
  offers(*command->add_option("ROLE", arguments->role, "tracker, seed or peer"),
         "tracker seed peer");
  command->add_option(
      "NAME", arguments->name,
      "The TAG that a seeder or peer serves; a tracker's ADDRESS:PORT or PORT, which "
      "one alone need not have");
  command->add_flag("--all", arguments->all, "Whatever runs here of this user, of ROLE if given")
      ->configurable(false);
  command->add_flag("--list", arguments->list, "End nothing, and say what runs")
      ->configurable(false);
  command
      ->add_option("--kill-after", arguments->kill_after,
                   "How long to wait before what does not end by SIGTERM is ended by SIGKILL "
                   "(default: 10s)")
      ->type_name("TIME");
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { run(*arguments, context); };
  });
}

}  // namespace murder::cli
