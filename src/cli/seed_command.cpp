// murder seed.
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/digest.hpp"
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

bool is_folder(const SeedArguments& arguments) {
  std::error_code ec;
  return std::filesystem::is_directory(arguments.torrent, ec);
}

std::string options_of(const SeedArguments& arguments, const std::string& what) {
  const SwarmFlags& swarm = arguments.swarm;
  return fmt::format(
      "--from '{}' --linger {} --tracker '{}' --listen {} --port {} --name '{}' --up '{}' --down "
      "'{}'",
      what, arguments.linger, fmt::join(swarm.trackers, " "), swarm.listen,
      swarm.port.empty() ? "0" : swarm.port, swarm.name, swarm.up, swarm.down);
}

/// One for each folder.
Daemon described_folder(const SeedArguments& arguments) {
  Daemon daemon;
  daemon.role = "seed";
  daemon.place = std::filesystem::canonical(arguments.torrent).native();
  daemon.name = std::filesystem::path(daemon.place).filename().native();
  daemon.distinct = sha1(daemon.place).hex().substr(0, 8);
  daemon.options = options_of(arguments, daemon.place);
  return daemon;
}

/// One for each torrent: releases of two applications may have one tag.
Daemon described(const SeedArguments& arguments, Log& log) {
  const Metainfo metainfo = node::load_metainfo(arguments.torrent, log);
  Daemon daemon;
  daemon.role = "seed";
  daemon.name = metainfo.tag();
  daemon.distinct = metainfo.info_hash.hex().substr(0, 8);
  if (!arguments.from.empty()) daemon.place = std::filesystem::absolute(arguments.from).native();
  daemon.options = options_of(arguments, daemon.place);
  return daemon;
}

void seed_folder(const SeedArguments& arguments, Context& context) {
  if (!arguments.from.empty())
    throw Error(ErrorKind::usage,
                fmt::format("--from: {} is a folder, and what is served lies in it beside its "
                            "torrent",
                            printable(arguments.torrent)));
  if (arguments.linger != "forever")
    throw Error(ErrorKind::usage, "--linger: a folder is served until the command is ended");
  node::SeedFolderOptions options;
  options.folder = std::filesystem::absolute(arguments.torrent);
  arguments.swarm.put_into(options);
  Daemon daemon;
  if (arguments.background.daemon) daemon = described_folder(arguments);
  run_service(context, arguments.background, daemon, [&](events::EventSink& events) {
    node::run_folder_seeder(options, events, context.log);
  });
}

void seed_one(const SeedArguments& arguments, Context& context) {
  if (arguments.from.empty())
    throw Error(ErrorKind::usage,
                "--from is missing: the pack or file that the torrent was made from");
  node::SeedOptions options;
  options.torrent = arguments.torrent;
  options.payload = arguments.from;
  options.linger = node::parse_linger(arguments.linger);
  arguments.swarm.put_into(options);
  Daemon daemon;
  if (arguments.background.daemon) daemon = described(arguments, context.log);
  run_service(context, arguments.background, daemon,
              [&](events::EventSink& events) { node::run_seeder(options, events, context.log); });
}

}  // namespace

void add_seed(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<SeedArguments>();
  CLI::App* command =
      app.add_subcommand("seed", "Serve a pack, file or tree to the swarm, or many of them");
  command->footer(
      "  murder seed app-v7.torrent --from app-v7.tar.zst\n"
      "  murder seed app-v7.torrent --from app-v7.tar.zst --daemon\n"
      "  murder seed disk.torrent --from disk.img --linger swarm\n"
      "  murder seed /srv/releases --daemon         every torrent in it");
  command
      ->add_option("TORRENT", arguments->torrent,
                   "FILE.torrent, or a folder of them with what they were made from beside them, "
                   "looked at again and again")
      ->required();
  command->add_option("--from", arguments->from, "The pack, file or folder that it was made from")
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
      if (is_folder(*arguments))
        seed_folder(*arguments, context);
      else
        seed_one(*arguments, context);
    };
  });
}

}  // namespace murder::cli
