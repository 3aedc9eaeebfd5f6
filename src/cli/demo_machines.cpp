#include "cli/demo_machines.hpp"

#include <fmt/format.h>
#include <string>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.hpp"
#include "cli/wording.hpp"
#include "fleet/host_binary.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

constexpr double memory_share = 0.7;

}  // namespace

void require_programs_of_hosts() {
  std::string why_not;
  if (!lab::SshHosts::can_be_made(&why_not))
    throw Error(ErrorKind::failed, fmt::format("cannot make hosts: {}", why_not));
  struct utsname own {};
  if (::uname(&own) == 0) fleet::host_binary(own.machine);
}

void DemoMachines::make_room(std::uint64_t bytes, std::size_t hosts) {
  const std::uint64_t memory = available_memory();
  const bool fits = static_cast<double>(bytes) <= memory_share * static_cast<double>(memory);
  const std::string sizes =
      fmt::format("up to {} for {}", format_bytes(bytes), counted(hosts, "host", "hosts"));
  in_memory_ = ::geteuid() == 0 && fits && work_.make_in_memory("lab", bytes);
  if (in_memory_) {
    context_.reporter->say(fmt::format("the hosts' files lie in memory: {}", sizes));
    return;
  }
  const std::uint64_t room = fs::space(work_.path()).available;
  if (bytes > room)
    throw Error(ErrorKind::failed,
                fmt::format("no room for the hosts' files at {}: {}, and there are {}; take "
                            "fewer --hosts, or set TMPDIR",
                            work_.path().parent_path().string(), sizes, format_bytes(room)));
  fs::create_directory(control_folder());
  context_.reporter->say(fmt::format(
      "the hosts' files lie on one disk, which may slow them down: {}{}", sizes,
      fits ? ""
           : fmt::format(", too much for the {} of memory that are free", format_bytes(memory))));
}

void DemoMachines::make_network(std::size_t hosts, Rate link, bool namespaces) {
  const std::string machines = counted(hosts, "host", "hosts") + " and a control machine";
  std::string why_not = "not wanted";
  if (namespaces && lab::Lab::can_make_namespaces(&why_not)) {
    lab_ = lab::Lab::with_namespaces({.hosts = hosts + 1, .link = lab::Link{link, link}});
    context_.reporter->say(fmt::format("{}, links of {} each way", machines, format_rate(link)));
  } else {
    if (namespaces)
      context_.reporter->emit(
          events::Warning{fmt::format("no hosts with links of their own: {}", why_not)});
    lab_ = lab::Lab::on_loopback({.hosts = hosts + 1});
    context_.reporter->say(
        fmt::format("{} on the loopback interface, links as fast as the machine", machines));
  }
  signals_.check();
}

void DemoMachines::start_hosts() {
  hosts_.emplace(*lab_, lab::SshHostsOptions{.folder = control_folder()});
  control_.emplace(*lab_, *hosts_, control_folder(), context_, signals_);
  signals_.check();
}

}  // namespace murder::cli
