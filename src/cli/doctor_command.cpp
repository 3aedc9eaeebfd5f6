// murder doctor: what would stand in the way of a deploy.
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "cli/commands.hpp"
#include "cli/fleet_session.hpp"
#include "cli/rollout_flags.hpp"
#include "cli/transfer_flags.hpp"
#include "fleet/doctor.hpp"
#include "host/stager.hpp"
#include "release/pack.hpp"
#include "release/scan.hpp"

namespace murder::cli {
namespace {

struct DoctorArguments {
  std::string to;
  FleetFlags hosts;
  SshFlags ssh;
  std::string source;
  std::string size;
  std::string ports;
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

/// Pack, tree and what staging leaves free beside them.
std::uint64_t room_for(std::uint64_t pack, std::uint64_t tree) {
  const std::uint64_t both = pack + tree;
  return both + both / 20;
}

fleet::Needs needs_of(const std::vector<Entry>& entries, std::uint64_t pack_bytes) {
  Manifest manifest;
  manifest.entries = entries;
  fleet::Needs needs;
  needs.bytes = room_for(pack_bytes, tree_bytes_on_disk(manifest));
  needs.entries = entries.size();
  needs.largest_file = pack_bytes;
  for (const Entry& entry : entries) needs.largest_file = std::max(needs.largest_file, entry.size);
  return needs;
}

/// A folder is not packed for that: its pack is taken to be as large as the files are.
fleet::Needs needs_of_folder(const std::filesystem::path& source) {
  std::vector<Entry> entries;
  std::uint64_t content = 0;
  for (const SourceEntry& each : scan_tree(source, {}).entries) {
    entries.push_back(each.entry);
    if (each.entry.type == EntryType::file) content += each.entry.size;
  }
  return needs_of(entries, content);
}

fleet::Needs needs_of(const DoctorArguments& arguments) {
  fleet::Needs needs;
  if (!arguments.size.empty()) {
    const std::uint64_t size = parse_bytes(arguments.size, "--size");
    needs.bytes = room_for(size, size);
    needs.largest_file = size;
    return needs;
  }
  if (arguments.source.empty()) return needs;
  const std::filesystem::path source = arguments.source;
  std::error_code ec;
  if (!std::filesystem::exists(source, ec))
    throw Error(ErrorKind::usage,
                fmt::format("--for: no such file or folder: {}", printable(arguments.source)));
  if (std::filesystem::is_directory(source, ec)) return needs_of_folder(source);
  if (source.native().ends_with(".tar.zst")) {
    const OpenedPack pack = read_pack(source);
    return needs_of(pack.manifest.entries, pack.pack_size);
  }
  const std::uint64_t size = std::filesystem::file_size(source);
  needs.bytes = room_for(size, 0);
  needs.largest_file = size;
  return needs;
}

void examine(const DoctorArguments& arguments, Context& context) {
  refuse_bad_destination(arguments.to);
  const fleet::Needs needs = needs_of(arguments);
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
  command.ports = swarm_port_range(arguments.ports);
  command.dest = arguments.to;
  command.goal = fleet::Goal::answered;
  run_on_fleet(
      command, arguments.hosts, arguments.ssh,
      [&](fleet::Fleet& fleet) { return std::make_unique<fleet::DoctorWork>(fleet, needs, tell); },
      context);
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<DoctorArguments>();
  CLI::App* command =
      app.add_subcommand("doctor", "Say what would stand in the way of a deploy, host by host");
  command->footer(
      "  murder doctor --hosts fleet.txt --to /srv/app\n"
      "  murder doctor --hosts fleet.txt --to /srv/app --for build/\n"
      "  murder doctor --host 'web[01-16]' --to /srv/app --all");
  command->add_option("--to", arguments->to, "Where releases are to be on the hosts")
      ->required()
      ->type_name("DEST");
  arguments->hosts.add_to(*command);
  CLI::Option* const source =
      command
          ->add_option("--for", arguments->source,
                       "Judge the room by this folder, file or pack that is to be deployed")
          ->type_name("SOURCE");
  command
      ->add_option("--size", arguments->size, "Judge the room by a release of this size, unpacked")
      ->type_name("SIZE")
      ->excludes(source);
  add_ports_flag(*command, arguments->ports);
  command->add_flag("--all", arguments->all, "Say also what is fine");
  arguments->ssh.add_to(*command);
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { examine(*arguments, context); };
  });
}

}  // namespace murder::cli
