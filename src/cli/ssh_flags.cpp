#include "cli/ssh_flags.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <pwd.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/units.hpp"
#include "fleet/ssh_settings.hpp"

namespace murder::cli {
namespace {

/// Found out before any host is begun with: on all of them it would be the same.
void require_program(const std::string& name) {
  const auto is_program = [](const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           ::access(path.c_str(), X_OK) == 0;
  };
  bool found = false;
  if (name.find('/') != std::string::npos) {
    found = is_program(name);
  } else {
    const char* const path = std::getenv("PATH");
    std::istringstream folders(path == nullptr ? "/bin:/usr/bin" : path);
    for (std::string folder; !found && std::getline(folders, folder, ':');)
      found = is_program((folder.empty() ? "." : folder) + "/" + name);
  }
  if (!found)
    throw Error(ErrorKind::usage,
                fmt::format("hosts are reached with ssh, and there is no program {}: install the "
                            "OpenSSH client, or name another program in MURDER_SSH",
                            printable(name)));
}

/// ssh looks for its configuration where the account says, whatever $HOME says.
std::string home_of_ssh() {
  const passwd* const user = ::getpwuid(::getuid());
  return user != nullptr ? user->pw_dir : "";
}

}  // namespace

void SshFlags::add_to(CLI::App& command) {
  command.add_flag("--sudo", sudo, "Become root on the hosts with sudo -n");
  command
      .add_option("--concurrency", concurrency,
                  "How many ssh handshakes at once (default: 64, and 8 through one jump host)")
      ->type_name("COUNT");
  command
      .add_option("--connect-timeout", connect_timeout,
                  "Give up on a host that does not answer for so long (default: 10s)")
      ->type_name("TIME");
  command.add_option("--report", report, "Write what became of each host to this file, as JSON")
      ->type_name("FILE");
}

fleet::SshOptions SshFlags::options() const {
  fleet::SshOptions options;
  options.sudo = sudo;
  options.connect_timeout = parse_duration(connect_timeout, "--connect-timeout");
  if (concurrency && (*concurrency < 1 || *concurrency > 10'000))
    throw Error(ErrorKind::usage, "--concurrency: 1 to 10000");
  options.concurrency = concurrency;
  if (const char* program = std::getenv("MURDER_SSH"); program != nullptr && *program != '\0')
    options.program = fleet::split_words(program, "MURDER_SSH");
  require_program(options.program.front());
  options.jump_hosts =
      fleet::can_be_asked(options) && fleet::may_have_jump_hosts(options, home_of_ssh());
  return options;
}

}  // namespace murder::cli
