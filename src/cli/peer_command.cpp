// murder peer.
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/standard_streams.hpp"
#include "base/units.hpp"
#include "cli/background.hpp"
#include "cli/command_table.hpp"
#include "cli/commands.hpp"
#include "cli/swarm_flags.hpp"
#include "host/daemons.hpp"
#include "node/options.hpp"
#include "node/web_source.hpp"

namespace murder::cli {
namespace {

struct PeerArguments {
  std::string torrent;
  std::string to;
  bool file_only = false;
  bool activate = false;
  bool detach = false;
  std::string linger = "swarm";
  std::string timeout;
  std::string owner;
  bool seeder = false;
  bool control = false;
  std::string info_hash;
  std::vector<std::string> web_seeds;
  std::string allocation = "sparse";
  SwarmFlags swarm;
};

/// Passes events on; from the first one on, which says what it fetches, the process can be found by
/// `murder stop`. Nothing ends for a folder that cannot be written to.
class Findable final : public events::EventSink {
 public:
  Findable(events::EventSink& events, Log& log, std::string destination)
      : events_(events), log_(log), destination_(std::move(destination)) {}

  void emit(const events::Event& event) override {
    if (const auto* started = std::get_if<events::Started>(&event); started != nullptr && !file_)
      claim(started->tag);
    events_.emit(event);
  }

 private:
  void claim(const std::string& tag) {
    Daemon daemon;
    daemon.role = "peer";
    daemon.name = tag;
    daemon.distinct = fmt::format("{}", ::getpid());
    daemon.place = destination_;
    try {
      file_.emplace(own_daemon_folder(), std::move(daemon));
      file_->set_serving();
    } catch (const Error& error) {
      log_.warning("murder stop will not find this: {}", error.what());
    }
  }

  events::EventSink& events_;
  Log& log_;
  std::string destination_;
  std::optional<DaemonFile> file_;
};

void run(const PeerArguments& arguments, Context& context) {
  node::PeerOptions options;
  options.source = arguments.torrent;
  options.destination = arguments.to;
  options.file_only = arguments.file_only;
  options.activate = arguments.activate;
  options.linger = node::parse_linger(arguments.linger);
  if (!arguments.timeout.empty()) options.timeout = parse_duration(arguments.timeout, "--timeout");
  arguments.swarm.put_into(options);
  options.owner = arguments.owner;
  options.allocation = node::parse_allocation(arguments.allocation);
  for (const std::string& url : arguments.web_seeds) node::web_seed_url(url, "");
  options.web_seeds = arguments.web_seeds;
  options.seeder = arguments.seeder;
  options.control = arguments.control;
  if (!arguments.info_hash.empty()) {
    options.info_hash = InfoHash::from_hex(arguments.info_hash);
    if (!options.info_hash)
      throw Error(ErrorKind::usage, fmt::format("--info-hash: 40 hex digits are needed, not '{}'",
                                                printable(arguments.info_hash)));
  }
  if (arguments.file_only && arguments.control)
    throw Error(ErrorKind::usage, "--control needs a release, and --file-only makes none");
  if (arguments.file_only && arguments.activate)
    throw Error(ErrorKind::usage, "--activate needs a release, and --file-only makes none");
  UniqueFd parent;
  if (arguments.detach) {
    parent = detach();
    options.on_staged = [&] {
      context.reporter->settle();
      const char staged = 1;
      if (::write(parent.get(), &staged, 1) == 1) parent.reset();
      let_go_of_standard_streams();  // nobody reads what a lingering child says
    };
  }
  // An empty one is refused where it is opened.
  const std::filesystem::path place =
      arguments.to.empty() ? std::filesystem::path() : std::filesystem::absolute(arguments.to);
  Findable findable(*context.reporter, context.log, place.native());
  events::EventSink& events =
      arguments.detach ? static_cast<events::EventSink&>(findable) : *context.reporter;
  node::run_peer(options, events, context.log);
}

}  // namespace

void add_peer(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<PeerArguments>();
  CLI::App* command =
      app.add_subcommand("peer", "Fetch a release, passing it on; unpack, activate, linger");
  command->footer(
      "  murder peer app-v7.torrent --to /srv/app --activate\n"
      "  murder peer http://origin:8080/app-v7.torrent --to /srv/app --detach\n"
      "  murder peer disk.torrent --to /var/images --file-only --linger none\n"
      "  murder peer 'magnet:?xt=urn:btih:…&tr=http://origin:8998/announce' --to /srv/app");
  command
      ->add_option("TORRENT", arguments->torrent,
                   "FILE.torrent, http://HOST/FILE.torrent or magnet:?…")
      ->required();
  command->add_option("--to", arguments->to, "Where releases/TAG and current are, or are to be")
      ->required()
      ->type_name("DEST");
  command->add_flag("--file-only", arguments->file_only,
                    "Only fetch the pack, file or folder, to DEST/NAME");
  command->add_flag("--activate", arguments->activate,
                    "Switch DEST/current to it when it is staged");
  CLI::Option* const linger =
      command
          ->add_option(
              "--linger", arguments->linger,
              "How long to go on serving: swarm (default: until everyone has it, at most 5 "
              "minutes), none, forever or a duration such as 30s")
          ->type_name("TIME");
  offers(*linger, "swarm none forever");
  command->add_flag("--detach", arguments->detach, "Return when it is staged; a child lingers");
  command
      ->add_option("--timeout", arguments->timeout,
                   "Give up after so long without progress (default: never)")
      ->type_name("TIME");
  CLI::Option* const allocate =
      command
          ->add_option(
              "--allocate", arguments->allocation,
              "How room is taken: none (as pieces come), sparse (default: the file has its "
              "length, and room as pieces come) or full (all of it before the first piece)")
          ->type_name("HOW");
  offers(*allocate, "none sparse full");
  command->add_option("--owner", arguments->owner, "Whom the unpacked files are to belong to")
      ->type_name("USER[:GROUP]");
  command
      ->add_option("--web-seed", arguments->web_seeds,
                   "http://… that serves the pack or file in ranges, for what no peer has, beside "
                   "the torrent's; may be repeated")
      ->type_name("URL");
  arguments->swarm.add_to(*command);
  // What a deploy starts on hosts; docs/control-socket.md.
  command->add_flag("--seeder", arguments->seeder, "Be the swarm's seeder")
      ->group("")
      ->configurable(false);
  command->add_flag("--control", arguments->control, "Listen for controllers")
      ->group("")
      ->configurable(false);
  command->add_option("--info-hash", arguments->info_hash, "Refuse any other torrent")
      ->type_name("HEX")
      ->group("")
      ->configurable(false);
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { run(*arguments, context); };
  });
}

}  // namespace murder::cli
