#include "host/spawn.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace murder {
namespace {

/// posix_spawn's attributes and file actions, freed in any case.
class SpawnPlan {
 public:
  SpawnPlan() {
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawn_file_actions_init(&actions_);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setflags(&attributes_,
                               POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnPlan() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&actions_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void open(int as, int flags) {
    ::posix_spawn_file_actions_addopen(&actions_, as, "/dev/null", flags, 0);
  }
  void connect(int fd, int as) { ::posix_spawn_file_actions_adddup2(&actions_, fd, as); }
  void enter(int folder) {
    if (folder >= 0)
      ::posix_spawn_file_actions_addfchdir_np(&actions_, folder);
    else
      ::posix_spawn_file_actions_addchdir_np(&actions_, "/");
  }
  /// What this process itself was started with is no business of the program.
  void close_from(int fd) { ::posix_spawn_file_actions_addclosefrom_np(&actions_, fd); }
  /// errno, or 0.
  int run(pid_t& pid, const char* program, char* const* argv, char* const* environment) const {
    return ::posix_spawn(&pid, program, &actions_, &attributes_, argv, environment);
  }

 private:
  posix_spawnattr_t attributes_{};
  posix_spawn_file_actions_t actions_{};
};

std::vector<std::string> with_own_environment(const std::map<std::string, std::string>& more) {
  std::vector<std::string> variables;
  for (char** own = environ; own != nullptr && *own != nullptr; ++own) {
    const std::string_view variable(*own);
    if (!more.contains(std::string(variable.substr(0, variable.find('=')))))
      variables.emplace_back(variable);
  }
  for (const auto& [name, value] : more) variables.push_back(fmt::format("{}={}", name, value));
  return variables;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// A copy above the descriptors that the program gets, so that none of those overwrites it.
UniqueFd above_standard(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 10)); }

constexpr int kept_descriptor = 3;

}  // namespace

pid_t spawn(const SpawnOptions& options) {
  SpawnPlan plan;
  plan.enter(options.folder);
  plan.open(STDIN_FILENO, O_RDONLY);
  UniqueFd output;
  if (options.output >= 0) {
    output = above_standard(options.output);
    plan.connect(output.get(), STDOUT_FILENO);
    plan.connect(output.get(), STDERR_FILENO);
  } else {
    plan.open(STDOUT_FILENO, O_WRONLY);
    plan.open(STDERR_FILENO, O_WRONLY);
  }
  UniqueFd keep;
  if (options.keep >= 0) {
    keep = above_standard(options.keep);
    plan.connect(keep.get(), kept_descriptor);
  }
  if ((options.output >= 0 && !output) || (options.keep >= 0 && !keep))
    throw_system_error("cannot run", options.program, errno);
  plan.close_from(options.keep >= 0 ? kept_descriptor + 1 : STDERR_FILENO + 1);
  const std::vector<std::string> environment = with_own_environment(options.environment);
  pid_t pid = -1;
  const int reason = plan.run(pid, options.program.c_str(), pointers_to(options.argv).data(),
                              pointers_to(environment).data());
  if (reason != 0) throw_system_error("cannot run", printable(options.program), reason);
  return pid;
}

std::optional<int> reap(pid_t process) {
  int state = 0;
  pid_t reaped = -1;
  do {
    reaped = ::waitpid(process, &state, WNOHANG);
  } while (reaped < 0 && errno == EINTR);
  if (reaped == 0) return std::nullopt;
  if (reaped < 0) return 255;  // SIGCHLD is ignored: nobody is told, and it is not to pass for well
  return WIFSIGNALED(state) ? 128 + WTERMSIG(state) : WEXITSTATUS(state);
}

std::string describe_status(int status) {
  if (status <= 128) return fmt::format("exit status {}", status);
  const int number = status - 128;
  const char* const name = ::sigabbrev_np(number);
  return name == nullptr ? fmt::format("exit status {}", status)
                         : fmt::format("killed by signal {} (SIG{})", number, name);
}

}  // namespace murder
