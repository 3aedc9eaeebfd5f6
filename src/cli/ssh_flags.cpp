#include "cli/ssh_flags.hpp"

#include <cstdlib>

#include "base/error.hpp"
#include "base/units.hpp"

namespace murder::cli {

void SshFlags::add_to(CLI::App& command) {
  command.add_flag("--sudo", sudo, "Become root on the hosts with sudo -n");
  command
      .add_option("--concurrency", concurrency,
                  "How many ssh handshakes at once (default: 64; 8 suits a jump host)")
      ->type_name("COUNT");
  command
      .add_option("--connect-timeout", connect_timeout,
                  "Give up on a host that does not answer for so long (default: 10s)")
      ->type_name("TIME");
  command
      .add_option("--reconnect", reconnect,
                  "Try a session that was lost again for so long (default: 20s)")
      ->type_name("TIME");
  command.add_option("--report", report, "Write what became of each host to this file, as JSON")
      ->type_name("FILE");
}

fleet::SshOptions SshFlags::options() const {
  fleet::SshOptions options;
  options.sudo = sudo;
  options.connect_timeout = parse_duration(connect_timeout, "--connect-timeout");
  if (concurrency < 1 || concurrency > 10'000)
    throw Error(ErrorKind::usage, "--concurrency: 1 to 10000");
  options.concurrency = concurrency;
  if (const char* program = std::getenv("MURDER_SSH"); program != nullptr && *program != '\0')
    options.program = fleet::split_words(program, "MURDER_SSH");
  return options;
}

Duration SshFlags::reconnect_time() const { return parse_duration(reconnect, "--reconnect"); }

}  // namespace murder::cli
