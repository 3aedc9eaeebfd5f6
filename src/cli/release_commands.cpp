// murder activate, rollback, releases, verify: on the host itself, or handed on with --hosts.
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "cli/fleet_release.hpp"
#include "cli/wording.hpp"
#include "host/destination.hpp"
#include "host/lock.hpp"

namespace murder::cli {
namespace {

std::string_view kind_name(Drift::Kind kind) {
  switch (kind) {
    case Drift::Kind::missing:
      return "missing";
    case Drift::Kind::added:
      return "added";
    case Drift::Kind::type:
      return "type";
    case Drift::Kind::content:
      return "content";
    case Drift::Kind::mode:
      return "mode";
    case Drift::Kind::link:
      return "link";
  }
  return "";
}

/// What is asked of this host, or with --hosts of a fleet.
using ReleaseArguments = FleetReleaseArguments;

Destination open_existing(const ReleaseArguments& arguments) {
  return Destination::open(arguments.to, Destination::Mode::existing);
}

std::string live_tag(const Destination& destination) {
  const auto live = destination.current_tag();
  if (!live)
    throw Error(ErrorKind::usage,
                fmt::format("no release is live at {}: name one", destination.path().string()));
  return *live;
}

void do_activate(const ReleaseArguments& arguments, Context& context) {
  const Destination destination = open_existing(arguments);
  const DestinationLock lock(destination);
  const auto previous = activate(destination, arguments.tag);
  context.reporter->emit(events::Activated{arguments.tag, previous.value_or("")});
}

void do_rollback(const ReleaseArguments& arguments, Context& context) {
  const Destination destination = open_existing(arguments);
  const DestinationLock lock(destination);
  const std::string before = destination.current_tag().value_or("");
  const std::string now = rollback(destination, arguments.tag);
  context.reporter->emit(events::RolledBack{now, before});
}

void do_list(const ReleaseArguments& arguments, Context& context) {
  std::vector<events::Release> releases;
  for (const Destination::Release& release : open_existing(arguments).releases())
    releases.push_back({release.tag, release.live, release.partial, release.staged_at});
  if (context.json)
    for (const events::Release& release : releases) context.reporter->emit(release);
  else
    context.reporter->data(release_table(releases));
}

void do_verify(const ReleaseArguments& arguments, Context& context) {
  const Destination destination = open_existing(arguments);
  const std::string tag = arguments.tag.empty() ? live_tag(destination) : arguments.tag;
  const auto drifts = verify_release(destination, tag);
  for (const Drift& drift : drifts)
    context.reporter->emit(
        events::Drifted{tag, drift.path, std::string(kind_name(drift.kind)), drift.detail});
  if (!drifts.empty())
    throw Error(ErrorKind::integrity, fmt::format("{} differs from what was staged in {}", tag,
                                                  counted(drifts.size(), "place", "places")));
  context.reporter->say(fmt::format("{} is as it was staged", tag));
}

using Work = ReleasesOfFleet::Work;

struct Wording {
  const char* name;
  const char* description;
  const char* tag_help;  ///< nullptr: it takes no tag
  bool tag_required;
  const char* examples;           ///< here
  const char* examples_on_fleet;  ///< begins with a line end
};

class Adder {
 public:
  Adder(CLI::App& app, Action& action, const ReleasesOfFleet* fleet)
      : app_(app), action_(action), fleet_(fleet) {}

  void add(const Wording& wording, Work here, Work ReleasesOfFleet::*there, bool switches) {
    auto arguments = std::make_shared<ReleaseArguments>();
    CLI::App* command = app_.add_subcommand(
        wording.name,
        fmt::format("{}{}", wording.description, fleet_ ? ", here or on a fleet" : ""));
    command->footer(fmt::format("{}{}", wording.examples, fleet_ ? wording.examples_on_fleet : ""));
    if (wording.tag_help != nullptr)
      command->add_option("--tag,TAG", arguments->tag, wording.tag_help)
          ->required(wording.tag_required)
          ->type_name("TAG")
          ->configurable(false);
    command->add_option("--to", arguments->to, "Where releases/TAG and current are")
        ->required()
        ->type_name("DEST");
    if (fleet_ != nullptr) fleet_->add_flags(*arguments, *command, switches);
    const Work on_fleet = fleet_ == nullptr ? here : fleet_->*there;
    command->callback([arguments, here, on_fleet, &action = action_] {
      action = [arguments, here, on_fleet](Context& context) {
        (arguments->hosts.given() ? on_fleet : here)(*arguments, context);
      };
    });
  }

 private:
  CLI::App& app_;
  Action& action_;
  const ReleasesOfFleet* fleet_;
};

}  // namespace

void add_release_commands(CLI::App& app, Action& action, const ReleasesOfFleet* on_fleet) {
  Adder adder(app, action, on_fleet);
  adder.add({"activate", "Switch DEST/current to a staged release", "The release", true,
             "  murder activate v7 --to /srv/app",
             "\n  murder activate v7 --to /srv/app --hosts fleet.txt --waves 1,100%"},
            do_activate, &ReleasesOfFleet::activate, true);
  adder.add(
      {"rollback", "Switch DEST/current back",
       "To this release (default: the one that was live before)", false,
       "  murder rollback --to /srv/app", "\n  murder rollback v5 --to /srv/app --hosts fleet.txt"},
      do_rollback, &ReleasesOfFleet::rollback, true);
  adder.add(
      {"releases", "List what is staged, and what is live", nullptr, false,
       "  murder releases --to /srv/app", "\n  murder releases --to /srv/app --hosts fleet.txt"},
      do_list, &ReleasesOfFleet::list, false);
  adder.add({"verify", "Say which files of a release are not as they were staged",
             "The release (default: the live one)", false, "  murder verify --to /srv/app",
             "\n  murder verify --to /srv/app --hosts fleet.txt"},
            do_verify, &ReleasesOfFleet::verify, false);
}

}  // namespace murder::cli
