// murder deploy.
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"
#include "base/error.hpp"
#include "base/units.hpp"
#include "cli/commands.hpp"
#include "cli/fleet_session.hpp"
#include "cli/pack_flags.hpp"
#include "cli/rollout_flags.hpp"
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
  std::string origin;
  std::string owner;
  std::string up;
  std::string down;
  std::string timeout = "10m";
  bool no_fallback = false;
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

/// "web1", "local", "local:10.0.0.9", "local:[2001:db8::1]"
fleet::OriginOptions origin_of(const DeployArguments& arguments) {
  fleet::OriginOptions origin;
  origin.up = arguments.up;
  constexpr std::string_view local = "local";
  std::string_view text = arguments.origin;
  origin.here = text == local || text.starts_with("local:");
  if (!origin.here) {
    origin.name = text;
    return origin;
  }
  text.remove_prefix(std::min(text.size(), local.size() + 1));
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  if (text.empty() && arguments.origin == local) return origin;
  const auto address = IpAddress::parse(std::string(text));
  if (!address || address->is_unspecified())
    throw Error(ErrorKind::usage,
                fmt::format("--origin {}: after \"local:\" comes the IP address at which the hosts "
                            "reach this machine, such as local:10.0.0.9",
                            printable(arguments.origin)));
  origin.address = address->to_string();
  return origin;
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
  options.origin = origin_of(arguments);
  options.staging.owner = arguments.owner;
  options.staging.up = arguments.up;
  options.staging.down = arguments.down;
  options.staging.fallback = !arguments.no_fallback;
  options.staging.timeout = parse_duration(arguments.timeout, "--timeout");
  if (!arguments.up.empty()) parse_rate(arguments.up, "--up");
  if (!arguments.down.empty()) parse_rate(arguments.down, "--down");
  options.activation = arguments.rollout.options();
  options.stage_only = arguments.stage_only;
  options.dry_run = arguments.dry_run;
  FleetCommand command;
  command.name = "deploy";
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
  command
      ->add_option("--origin", arguments->origin,
                   "The host that gets it over ssh and seeds (default: the first that answers); "
                   "local: this machine, when the hosts reach it")
      ->type_name("HOST|local[:ADDRESS]");
  command->add_flag("--no-fallback", arguments->no_fallback,
                    "Do not feed a host over ssh that the swarm cannot reach");
  command->add_option("--owner", arguments->owner, "Whom the unpacked files are to belong to")
      ->type_name("USER[:GROUP]");
  command->add_option("--up", arguments->up, "What each host may send at most")->type_name("RATE");
  command->add_option("--down", arguments->down, "What each host may fetch at most")
      ->type_name("RATE");
  command
      ->add_option("--timeout", arguments->timeout,
                   "A host gives up after so long without progress (default: 10m)")
      ->type_name("TIME");
  arguments->ssh.add_to(*command);
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { deploy(*arguments, context); };
  });
}

}  // namespace murder::cli
