#include "cli/fleet_flags.hpp"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "cli/configured_flags.hpp"
#include "fleet/inventory.hpp"
#include "fleet/selection.hpp"

namespace murder::cli {
namespace {

constexpr std::uint64_t longest_list_bytes = 1u << 26;

void read_into(fleet::Inventory& inventory, const std::string& file) {
  try {
    if (file == "-")
      inventory.read_lines("stdin", read_rest(STDIN_FILENO, "standard input", longest_list_bytes));
    else
      inventory.read_lines(file, read_file(file, longest_list_bytes));
  } catch (const Error& error) {
    throw Error(ErrorKind::usage, fmt::format("--hosts: {}", error.what()));
  }
}

}  // namespace

void FleetFlags::add_to(CLI::App& command) {
  // One value each: else they would take the arguments that follow, and brackets off their values.
  CLI::Option* const from_files =
      command
          .add_option("--hosts", files,
                      "Hosts, one a line; - is standard input; may be repeated (docs/inventory.md)")
          ->type_name("FILE")
          ->allow_extra_args(false);
  CLI::Option* const by_name =
      command.add_option("--host", hosts, "Hosts: web1,deploy@web[2-9]:2222; may be repeated")
          ->type_name("HOSTS")
          ->allow_extra_args(false);
  configured_as_one({from_files, by_name});
  command
      .add_option("--where", where,
                  "Only the hosts with these labels: 'rack=r7,role!=db'; may be repeated")
      ->type_name("LABELS")
      ->allow_extra_args(false);
}

std::vector<fleet::Host> FleetFlags::selected() const {
  if (!given())
    throw Error(ErrorKind::usage,
                "no host is named: give --hosts FILE with one a line (- is standard input), or "
                "--host web1,web2");
  if (std::ranges::count(files, "-") > 1)
    throw Error(ErrorKind::usage, "--hosts: standard input (-) can be read once only");
  fleet::Selection selection;
  for (const std::string& terms : where) selection.narrow(terms);
  fleet::Inventory inventory;
  for (const std::string& file : files) read_into(inventory, file);
  for (const std::string& names : hosts) inventory.read_list("--host", names);
  return selection.of(inventory.take_hosts());
}

}  // namespace murder::cli
