// murder demo.
#include <fmt/format.h>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "cli/configured_flags.hpp"
#include "cli/demo.hpp"

namespace murder::cli {
namespace {

constexpr std::size_t most_hosts = 1000;
// Slower and faster links than these are not what the kernel's shaper can keep to.
constexpr Rate slowest_link{100e3 / 8};
constexpr Rate fastest_link{100e9 / 8};

struct DemoArguments {
  std::string source = "/usr/include/boost";
  long long hosts = 16;
  std::string link = "50Mbit";
  bool no_namespaces = false;
  bool fail = false;
};

DemoOptions checked(const DemoArguments& arguments) {
  DemoOptions options;
  options.source = arguments.source;
  if (arguments.hosts < 1 || arguments.hosts > static_cast<long long>(most_hosts))
    throw Error(ErrorKind::usage,
                fmt::format("--hosts: {} is not 1 to {}", arguments.hosts, most_hosts));
  options.hosts = static_cast<std::size_t>(arguments.hosts);
  options.link = parse_rate(arguments.link, "--link");
  if (options.link < slowest_link || options.link > fastest_link)
    throw Error(ErrorKind::usage,
                fmt::format("--link: {} is not {} to {}", format_rate(options.link),
                            format_rate(slowest_link), format_rate(fastest_link)));
  options.namespaces = !arguments.no_namespaces;
  options.fail = arguments.fail;
  return options;
}

}  // namespace

void add_demo(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<DemoArguments>();
  CLI::App* command =
      app.add_subcommand("demo", "Deploy to many hosts with sshd that are all this machine");
  command->footer(
      "  murder demo                                 the Boost headers to 16 hosts\n"
      "  murder demo --fail                          a host is unwell with the next release\n"
      "  murder demo build/ --hosts 32 --link 100Mbit\n"
      "  murder demo disk.img --hosts 4 --no-namespaces");
  command->add_option("SOURCE", arguments->source,
                      "A folder, or a file to be carried as it is (default: /usr/include/boost)");
  configured_by_its_command(
      *command->add_option("--hosts", arguments->hosts, "How many, 1 to 1000 (default: 16)")
           ->type_name("COUNT"));
  command
      ->add_option("--link", arguments->link,
                   "What each host's link carries each way (default: 50Mbit)")
      ->type_name("RATE");
  command->add_flag("--no-namespaces", arguments->no_namespaces,
                    "Hosts as addresses of the loopback interface, without links; so without root");
  command->add_flag("--fail", arguments->fail,
                    "A host of the second wave is unwell, so that all go back");
  command->callback([arguments, &action] {
    action = [arguments](Context& context) { run_demo(checked(*arguments), context); };
  });
}

}  // namespace murder::cli
