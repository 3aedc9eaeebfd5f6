// murder seed.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "cli/background.hpp"
#include "cli/command_table.hpp"
#include "cli/commands.hpp"
#include "cli/swarm_flags.hpp"
#include "node/metainfo_source.hpp"
#include "node/options.hpp"

namespace murder::cli {
namespace {

struct SeedArguments {
  std::string torrent;
  std::string from;
  std::string linger = "forever";
  SwarmFlags swarm;
  BackgroundFlags background;
};

/// One for each torrent: releases of two applications may have one tag.
Daemon described(const SeedArguments& arguments, Log& log) {
  const Metainfo metainfo = node::load_metainfo(arguments.torrent, log);
  const SwarmFlags& swarm = arguments.swarm;
  Daemon daemon;
  daemon.role = "seed";
  daemon.name = metainfo.tag();
  daemon.distinct = metainfo.info_hash.hex().substr(0, 8);
  if (!arguments.from.empty()) daemon.place = std::filesystem::absolute(arguments.from).native();
  daemon.options = fmt::format(
      "--from '{}' --linger {} --tracker '{}' --listen {} --port {} --name '{}' --up '{}' --down "
      "'{}'",
      daemon.place, arguments.linger, fmt::join(swarm.trackers, " "), swarm.listen, swarm.port,
      swarm.name, swarm.up, swarm.down);
  return daemon;
}

}  // namespace

void add_seed(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<SeedArguments>();
  CLI::App* command = app.add_subcommand("seed", "Serve a pack, file or folder to the swarm");
  command->footer(
      "  murder seed app-v7.torrent --from app-v7.tar.zst\n"
      "  murder seed app-v7.torrent --from app-v7.tar.zst --daemon\n"
      "  murder seed disk.torrent --from disk.img --linger swarm");
  command->add_option("TORRENT", arguments->torrent, "FILE.torrent")->required();
  command->add_option("--from", arguments->from, "The pack, file or folder that it was made from")
      ->required()
      ->type_name("FILE");
  CLI::Option* const linger =
      command
          ->add_option(
              "--linger", arguments->linger,
              "How long to serve: forever (default), swarm (until everyone has it, at most 5 "
              "minutes) or a duration such as 30s")
          ->type_name("TIME");
  offers(*linger, "forever swarm");
  arguments->swarm.add_to(*command);
  arguments->background.add_to(*command);
  command->callback([arguments, &action] {
    action = [arguments](Context& context) {
      node::SeedOptions options;
      options.torrent = arguments->torrent;
      options.payload = arguments->from;
      options.linger = node::parse_linger(arguments->linger);
      options.trackers = arguments->swarm.checked_trackers();
      options.listen = arguments->swarm.address();
      options.port = arguments->swarm.port;
      options.name = arguments->swarm.name;
      options.limits = arguments->swarm.limits();
      Daemon daemon;
      if (arguments->background.daemon) daemon = described(*arguments, context.log);
      run_service(context, arguments->background, daemon, [&](events::EventSink& events) {
        node::run_seeder(options, events, context.log);
      });
    };
  });
}

}  // namespace murder::cli
