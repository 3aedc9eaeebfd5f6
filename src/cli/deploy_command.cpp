// murder deploy.
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "cli/fleet_session.hpp"
#include "cli/pack_flags.hpp"
#include "cli/rollout_flags.hpp"
#include "cli/transfer_flags.hpp"
#include "cli/work_folder.hpp"
#include "fleet/deploy.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

struct DeployArguments {
  std::string source;
  std::string to;
  FleetFlags hosts;
  SshFlags ssh;
  PackFlags pack;
  RolloutFlags rollout;
  TransferFlags transfer;
  bool stage_only = false;
  bool dry_run = false;
};

/// A pack that was made before, if SOURCE is one: its torrent lies beside it.
std::optional<fleet::PackedRelease> packed_before(const fs::path& source) {
  const std::string name = source.filename().string();
  constexpr std::string_view ending = ".tar.zst";
  if (!name.ends_with(ending)) return std::nullopt;
  const fs::path torrent =
      source.parent_path() / (name.substr(0, name.size() - ending.size()) + ".torrent");
  std::error_code ec;
  if (!fs::is_regular_file(torrent, ec)) return std::nullopt;
  return fleet::PackedRelease{source.string(), torrent.string()};
}

fleet::PackedRelease pack(const DeployArguments& arguments, const fs::path& folder,
                          Context& context) {
  const fs::path source = arguments.source;
  if (auto packed = packed_before(source)) {
    if (arguments.pack.tag)
      throw Error(ErrorKind::usage,
                  fmt::format("--tag: {} is packed already, under its own tag", source.string()));
    return *packed;
  }
  node::PackRequest request = arguments.pack.request(context);
  request.source = source;
  request.options.warn = {};
  std::error_code ec;
  const bool is_folder = fs::is_directory(source, ec);
  request.output = folder / (is_folder ? "release.tar.zst" : "release.torrent");
  const events::Packed packed = node::make_release(request);
  return {packed.path, packed.torrent};
}

void deploy(const DeployArguments& arguments, Context& context) {
  std::error_code ec;
  if (!fs::exists(arguments.source, ec))
    throw Error(ErrorKind::usage,
                fmt::format("no such file or folder: {}", printable(arguments.source)));
  refuse_bad_destination(arguments.to);
  const WorkFolder work;
  fleet::DeployOptions options;
  options.pack = [&] { return pack(arguments, work.path(), context); };
  options.origin = arguments.transfer.origin();
  options.staging = arguments.transfer.staging();
  options.activation = arguments.rollout.options();
  options.stage_only = arguments.stage_only;
  options.dry_run = arguments.dry_run;
  FleetCommand command;
  command.name = "deploy";
  command.ports = swarm_port_range(arguments.transfer.ports);
  command.dest = arguments.to;
  command.source = arguments.source;
  command.tag = arguments.pack.tag.value_or("");
  command.goal = arguments.dry_run             ? fleet::Goal::answered
                 : arguments.stage_only        ? fleet::Goal::staged
                 : options.activation.checks() ? fleet::Goal::healthy
                                               : fleet::Goal::activated;
  run_on_fleet(
      command, arguments.hosts, arguments.ssh,
      [&](fleet::Fleet& fleet) { return std::make_unique<fleet::Deploy>(fleet, options); },
      context);
}

}  // namespace

void add_deploy(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<DeployArguments>();
  CLI::App* command = app.add_subcommand(
      "deploy", "Get a release onto every host over ssh, verified, and switch them over");
  command->footer(
      "  murder deploy build/ --hosts fleet.txt --to /srv/app\n"
      "  murder deploy build/ --host 'web[01-16]' --to /srv/app --waves 1,10%,100% \\\n"
      "    --check 'curl -fsS localhost:8080/health' --post-activate 'systemctl restart app' \\\n"
      "    --rollback-on-failure\n"
      "  murder deploy v7.tar.zst --hosts - --to /srv/app --stage-only < fleet.txt");
  command
      ->add_option("SOURCE", arguments->source,
                   "A folder, a file to be carried as it is, or a pack with its torrent beside it")
      ->required();
  command->add_option("--to", arguments->to, "Where releases/TAG and current are on the hosts")
      ->required()
      ->type_name("DEST");
  arguments->hosts.add_to(*command);
  arguments->pack.add_to(*command);
  arguments->rollout.add_to(*command);
  command->add_flag("--stage-only", arguments->stage_only, "Switch nothing over");
  command->add_flag("--dry-run", arguments->dry_run,
                    "Reach every host and say what would happen there");
  arguments->transfer.add_to(*command);
  arguments->ssh.add_to(*command);
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { deploy(*arguments, context); };
  });
}

}  // namespace murder::cli
