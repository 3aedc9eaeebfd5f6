#include "cli/control_machine.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/file.hpp"

namespace murder::cli {
namespace {

constexpr Duration look_every = std::chrono::milliseconds(50);
constexpr const char* events_file = "events.jsonl";
constexpr const char* report_file = "report.txt";
// All hosts answer with the processors of one machine, which may have other work to do.
constexpr const char* patience = "1m";

double monotonic_seconds() {
  return to_seconds(std::chrono::steady_clock::now().time_since_epoch());
}

std::string quoted(const std::string& word) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:=%+@";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace

std::string typed(const std::vector<std::string>& arguments) {
  std::string line = "murder";
  for (const std::string& argument : arguments) line += " " + quoted(argument);
  return line;
}

ControlMachine::ControlMachine(lab::Lab& lab, const lab::SshHosts& hosts,
                               std::filesystem::path folder, Context& context, SignalWatch& signals)
    : lab_(lab), hosts_(hosts), folder_(std::move(folder)), context_(context), signals_(signals) {
  std::filesystem::create_directory(folder_ / "tmp");
}

/// Nobody's configuration counts there, and nothing of it stays: history, caches, temporary files.
std::vector<std::string> ControlMachine::command(const std::vector<std::string>& arguments) const {
  std::vector<std::string> argv{
      "env", "-C", folder_.native(),
      // Relative, for words of it are split at blanks.
      "MURDER_SSH=ssh -F " + hosts_.ssh_config().filename().native(),
      fmt::format("MURDER_HISTORY={}/history.db", folder_.native()),
      fmt::format("XDG_CACHE_HOME={}/tmp", folder_.native()),
      fmt::format("TMPDIR={}/tmp", folder_.native()),
      // This program, also where it was replaced on disk since it was started.
      fmt::format("/proc/{}/exe", ::getpid())};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  argv.insert(argv.end(), {"--no-config", "--events", events_file, "--connect-timeout", patience});
  if (context_.json) argv.emplace_back("--json");
  if (context_.quiet) argv.emplace_back("--quiet");
  argv.insert(argv.end(), static_cast<std::size_t>(context_.verbose), "--verbose");
  return argv;
}

ControlMachine::Deployed ControlMachine::deploy(std::vector<std::string> arguments, Report report) {
  arguments.insert(arguments.begin(), "deploy");
  context_.reporter->say("$ " + typed(arguments));
  context_.reporter->settle();
  Deployed deployed;
  const std::vector<std::string> argv = command(arguments);
  if (report == Report::whole || context_.json) {
    // The report of a deploy is not the demo's: to people it is talk.
    const int out = context_.json ? STDOUT_FILENO : context_.quiet ? -1 : STDERR_FILENO;
    deployed.status = run(argv, out, deployed);
  } else {
    const UniqueFd out = open_file(folder_ / report_file, O_WRONLY | O_CREAT | O_TRUNC);
    deployed.status = run(argv, out.get(), deployed);
    std::string text = read_file(folder_ / report_file);
    text.resize(std::min(text.size(), deployed.status == 0 ? text.find('\n') : text.rfind('\n')));
    context_.reporter->say(text);
  }
  deployed.outcome = outcome_of(read_file(folder_ / events_file));
  return deployed;
}

int ControlMachine::run(const std::vector<std::string>& argv, int stdout_fd, Deployed& deployed) {
  lab::Process process = lab_.spawn(0, argv, stdout_fd, STDERR_FILENO);
  try {
    for (;;) {
      deployed.processors.emplace_back(monotonic_seconds(), ProcessorTime::now());
      if (const auto status = process.poll()) return *status;
      signals_.check_for(look_every);
    }
  } catch (...) {
    process.signal(SIGKILL);
    process.wait();
    context_.reporter->show({LiveLine{"stopping"}});  // over what it has drawn
    throw;
  }
}

std::optional<double> ControlMachine::Deployed::busy_share(double from_s, double to_s) const {
  const auto nearest = [&](double seconds) {
    const double t = outcome.began_at + seconds;
    return std::ranges::min_element(processors, {},
                                    [t](const auto& sample) { return std::abs(sample.first - t); })
        ->second;
  };
  if (processors.empty()) return std::nullopt;
  return cli::busy_share(nearest(from_s), nearest(to_s));
}

}  // namespace murder::cli
