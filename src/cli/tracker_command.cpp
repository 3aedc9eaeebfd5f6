// murder tracker.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "cli/background.hpp"
#include "cli/commands.hpp"
#include "node/options.hpp"

namespace murder::cli {
namespace {

struct TrackerArguments {
  std::string listen = "0.0.0.0:8998";
  std::uint32_t expect = 0;
  bool exit_when_complete = false;
  std::string exit_when_idle;
  std::string files;
  std::string state;
  std::string torrents;
  std::vector<std::string> allowed;
  std::vector<std::string> banned;
  BackgroundFlags background;
};

std::vector<AddressRange> ranges(const std::vector<std::string>& texts, std::string_view flag) {
  std::vector<AddressRange> parsed;
  for (const std::string& text : texts) {
    const auto range = AddressRange::parse(text);
    if (!range)
      throw Error(ErrorKind::usage,
                  fmt::format("{}: '{}' is no address and no range of them, such as 10.0.0.0/8",
                              flag, printable(text)));
    parsed.push_back(*range);
  }
  return parsed;
}

/// A port that is chosen by the kernel names it when it is known.
Daemon described(const TrackerArguments& arguments, const node::TrackerOptions& options) {
  Daemon daemon;
  daemon.role = "tracker";
  if (options.listen.port != 0) daemon.name = options.listen.to_string();
  if (!options.files.empty()) daemon.place = std::filesystem::absolute(options.files).native();
  daemon.options = fmt::format(
      "--expect {} {} --exit-when-idle '{}' --files '{}' --state '{}' --torrents '{}' --allow {} "
      "--ban {}",
      options.expect, options.exit_when_complete, arguments.exit_when_idle, daemon.place,
      options.state.native(), options.torrents.native(), fmt::join(arguments.allowed, ","),
      fmt::join(arguments.banned, ","));
  return daemon;
}

}  // namespace

void add_tracker(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<TrackerArguments>();
  CLI::App* command =
      app.add_subcommand("tracker", "Tell peers of each other, and when everyone has everything");
  command->footer(
      "  murder tracker\n"
      "  murder tracker --listen 10.0.0.5:8998 --expect 16\n"
      "  murder tracker --daemon\n"
      "  murder tracker --files /srv/torrents --exit-when-idle 10m");
  command
      ->add_option("--listen", arguments->listen,
                   "Where (default: 0.0.0.0:8998; port 0: any that is free)")
      ->type_name("ADDRESS:PORT");
  command
      ->add_option("--expect", arguments->expect,
                   "The swarm is complete when so many hosts have everything or gave up (default: "
                   "when nobody lacked anything for 30 s)")
      ->type_name("HOSTS");
  command->add_flag("--exit-when-complete", arguments->exit_when_complete,
                    "End when the swarm is complete");
  command
      ->add_option("--exit-when-idle", arguments->exit_when_idle,
                   "End when nobody has announced or fetched anything for so long")
      ->type_name("TIME");
  command
      ->add_option("--files", arguments->files,
                   "Serve the files in this folder at http://ADDRESS:PORT/files/NAME")
      ->type_name("DIR");
  command
      ->add_option("--state", arguments->state,
                   "Keep in this file who has what, and begin with that after a restart")
      ->type_name("FILE");
  command
      ->add_option("--torrents", arguments->torrents,
                   "Serve only the torrents in this folder, or whose info-hashes this file lists")
      ->type_name("DIR|FILE");
  command
      ->add_option("--allow", arguments->allowed,
                   "Serve only clients with these addresses, such as 10.0.0.0/8; may be repeated")
      ->type_name("RANGE");
  command->add_option("--ban", arguments->banned, "Serve no client with these; may be repeated")
      ->type_name("RANGE");
  arguments->background.add_to(*command);
  command->callback([arguments, &action] {
    action = [arguments](Context& context) {
      node::TrackerOptions options;
      const auto endpoint = Endpoint::parse(arguments->listen);
      if (!endpoint)
        throw Error(ErrorKind::usage, fmt::format("--listen: '{}' is not ADDRESS:PORT",
                                                  printable(arguments->listen)));
      options.listen = *endpoint;
      options.expect = arguments->expect;
      options.exit_when_complete = arguments->exit_when_complete;
      if (!arguments->exit_when_idle.empty())
        options.exit_when_idle = parse_duration(arguments->exit_when_idle, "--exit-when-idle");
      options.files = arguments->files;
      // In the background it looks again and again, and from another folder.
      if (!arguments->state.empty()) options.state = std::filesystem::absolute(arguments->state);
      if (!arguments->torrents.empty())
        options.torrents = std::filesystem::absolute(arguments->torrents);
      options.allowed = ranges(arguments->allowed, "--allow");
      options.banned = ranges(arguments->banned, "--ban");
      run_service(
          context, arguments->background, described(*arguments, options),
          [&](events::EventSink& events) { node::run_tracker(options, events, context.log); });
    };
  });
}

}  // namespace murder::cli
