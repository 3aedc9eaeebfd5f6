// murder on-host: what a deploy runs on each host, through ssh. Not for people.
#include <csignal>
#include <filesystem>
#include <system_error>

#include "agent/agent.hpp"
#include "base/error.hpp"
#include "cli/commands.hpp"

namespace murder::cli {
namespace {

/// For starting murder again. One that was replaced meanwhile is still to be had through /proc.
std::filesystem::path own_executable() {
  const std::filesystem::path self = "/proc/self/exe";
  std::error_code ec;
  std::filesystem::path target = std::filesystem::read_symlink(self, ec);
  return !ec && std::filesystem::exists(target, ec) ? target : self;
}

void run(Context& context) {
  // Whoever started this may have ignored it, and then nobody learns how a hook ended.
  std::signal(SIGCHLD, SIG_DFL);
  agent::AgentOptions options;
  options.executable = own_executable();
  const int status = agent::run_agent(options, context.log);
  if (status == static_cast<int>(ErrorKind::failed))
    throw Error(ErrorKind::failed, "the session ended: what came was no order of murder deploy");
  if (status != 0) throw Error(static_cast<ErrorKind>(status), "the session was ended by a signal");
}

}  // namespace

void add_on_host(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "on-host", "Carry out what murder deploy orders, frames on stdin and stdout");
  command->footer("  ssh HOST murder on-host     (murder deploy does that)");
  command->group("");
  command->callback([&action] { action = run; });
}

}  // namespace murder::cli
