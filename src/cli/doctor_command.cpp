// murder doctor: what would stand in the way of a deploy.
#include <fmt/format.h>
#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "cli/fleet_session.hpp"
#include "cli/rollout_flags.hpp"
#include "fleet/doctor.hpp"

namespace murder::cli {
namespace {

struct DoctorArguments {
  std::string to;
  FleetFlags hosts;
  SshFlags ssh;
  bool all = false;
};

std::string_view mark(fleet::Severity severity) {
  switch (severity) {
    case fleet::Severity::fine:
      return "fine";
    case fleet::Severity::warning:
      return "WARNING";
    case fleet::Severity::problem:
      return "PROBLEM";
  }
  return "";
}

void examine(const DoctorArguments& arguments, Context& context) {
  refuse_bad_destination(arguments.to);
  const fleet::DoctorWork::Tell tell = [&](const fleet::Member& member,
                                           const std::vector<fleet::Finding>& findings) {
    std::string text;
    for (const fleet::Finding& finding : findings) {
      const bool fine = finding.severity == fleet::Severity::fine;
      if (context.json) {
        context.reporter->emit(events::Finding{member.host.name,
                                               std::string(mark(finding.severity)), finding.what,
                                               finding.found, finding.way_out});
      } else if (!fine || arguments.all) {
        text += fmt::format("{}  {:<7}  {}: {}{}{}\n", member.host.name, mark(finding.severity),
                            finding.what, printable(finding.found, 400),
                            finding.way_out.empty() ? "" : "; ", finding.way_out);
      }
    }
    if (!text.empty()) context.reporter->data(text);
  };
  FleetCommand command;
  command.name = "doctor";
  command.dest = arguments.to;
  command.goal = fleet::Goal::answered;
  run_on_fleet(
      command, arguments.hosts, arguments.ssh,
      [&](fleet::Fleet& fleet) { return std::make_unique<fleet::DoctorWork>(fleet, tell); },
      context);
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<DoctorArguments>();
  CLI::App* command =
      app.add_subcommand("doctor", "Say what would stand in the way of a deploy, host by host");
  command->footer(
      "  murder doctor --hosts fleet.txt --to /srv/app\n"
      "  murder doctor --host 'web[01-16]' --to /srv/app --all");
  command->add_option("--to", arguments->to, "Where releases are to be on the hosts")
      ->required()
      ->type_name("DEST");
  arguments->hosts.add_to(*command);
  command->add_flag("--all", arguments->all, "Say also what is fine");
  arguments->ssh.add_to(*command);
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { examine(*arguments, context); };
  });
}

}  // namespace murder::cli
