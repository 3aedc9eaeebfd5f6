// murder seed.
#include "base/error.hpp"
#include "cli/commands.hpp"
#include "cli/swarm_flags.hpp"
#include "node/options.hpp"

namespace murder::cli {
namespace {

struct SeedArguments {
  std::string torrent;
  std::string from;
  std::string linger = "forever";
  SwarmFlags swarm;
};

}  // namespace

void add_seed(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<SeedArguments>();
  CLI::App* command = app.add_subcommand("seed", "Serve a pack or file to the swarm");
  command->footer(
      "  murder seed app-v7.torrent --from app-v7.tar.zst\n"
      "  murder seed disk.torrent --from disk.img --linger swarm");
  command->add_option("TORRENT", arguments->torrent, "FILE.torrent")->required();
  command->add_option("--from", arguments->from, "The pack or file that it was made from")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--linger", arguments->linger,
                   "How long to serve: forever (default), swarm (until everyone has it, at most 5 "
                   "minutes) or a duration such as 30s")
      ->type_name("TIME");
  arguments->swarm.add_to(*command);
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
      node::run_seeder(options, *context.reporter, context.log);
    };
  });
}

}  // namespace murder::cli
