// murder hosts.
#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/fleet_flags.hpp"
#include "cli/wording.hpp"

namespace murder::cli {
namespace {

struct HostsArguments {
  FleetFlags fleet;
  bool names = false;
};

std::string names_of(const std::vector<fleet::Host>& hosts) {
  std::string names;
  for (const fleet::Host& host : hosts) names += host.name + "\n";
  return names;
}

std::string line_of(const std::string& text) {
  return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
}

std::string table_of(const std::vector<fleet::Host>& hosts) {
  std::size_t name_width = 4;
  std::size_t target_width = 3;
  for (const fleet::Host& host : hosts) {
    name_width = std::max(name_width, host.name.size());
    target_width = std::max(target_width, fleet::target_of(host).size());
  }
  const auto row = [&](const auto& name, const auto& target, const auto& labels) {
    return line_of(
        fmt::format("{:<{}}  {:<{}}  {}", name, name_width, target, target_width, labels));
  };
  std::string table = row("NAME", "SSH", "LABELS");
  for (const fleet::Host& host : hosts)
    table += row(host.name, fleet::target_of(host), fleet::labels_text(host.labels));
  return table;
}

void list_hosts(const HostsArguments& arguments, Context& context) {
  const std::vector<fleet::Host> hosts = arguments.fleet.selected();
  if (context.json)
    for (const fleet::Host& host : hosts)
      context.reporter->emit(events::HostSelected{host.name, host.user, host.host, host.port,
                                                  host.labels, host.where});
  else
    context.reporter->data(arguments.names ? names_of(hosts) : table_of(hosts));
  context.reporter->say(counted(hosts.size(), "host", "hosts"));
}

}  // namespace

void add_hosts(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<HostsArguments>();
  CLI::App* command = app.add_subcommand("hosts", "Say which hosts are meant");
  command->footer(
      "  murder hosts --hosts fleet.txt\n"
      "  murder hosts --hosts fleet.txt --where 'rack=r7|r8,role!=db'\n"
      "  murder hosts --host 'web[001-200].example.com' --names");
  arguments->fleet.add_to(*command);
  command->add_flag("--names", arguments->names, "The names alone, one a line");
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { list_hosts(*arguments, context); };
  });
}

}  // namespace murder::cli
