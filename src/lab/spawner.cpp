#include "lab/spawner.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <string_view>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"

namespace murder::lab {
namespace {

enum class Step : int { descriptors, enter_namespace, exec };

/// What the child says on its report pipe when it cannot become the program; success is silence,
/// since the pipe closes on exec.
struct Report {
  Step step;
  int error_number;
};

/// Everything the child needs, prepared before fork: between fork and exec only system calls are
/// allowed, because other threads may have held any lock at that instant.
struct Plan {
  const char* program;
  char* const* argv;
  int network_namespace_fd;
  std::array<int, 3> standard_fds;
  int report_fd;
  pid_t parent;
};

[[noreturn]] void give_up(const Plan& plan, Step step) {
  const Report report{step, errno};
  [[maybe_unused]] const ssize_t written = ::write(plan.report_fd, &report, sizeof report);
  ::_exit(127);
}

[[noreturn]] void become_program(const Plan& plan) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.parent) ::_exit(127);  // it died before the line above
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  ::setsid();  // what is typed at the terminal is for this program, not for those on the hosts
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);

  if (plan.network_namespace_fd >= 0 && ::setns(plan.network_namespace_fd, CLONE_NEWNET) != 0)
    give_up(plan, Step::enter_namespace);

  // First out of the way of 0..2, so that no dup2 overwrites a descriptor still to be used.
  std::array<int, 3> moved{};
  for (std::size_t i = 0; i < moved.size(); ++i) {
    moved[i] = ::fcntl(plan.standard_fds[i], F_DUPFD_CLOEXEC, 3);
    if (moved[i] < 0) give_up(plan, Step::descriptors);
  }
  for (std::size_t i = 0; i < moved.size(); ++i)
    if (::dup2(moved[i], static_cast<int>(i)) < 0) give_up(plan, Step::descriptors);
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);

  ::execv(plan.program, plan.argv);
  give_up(plan, Step::exec);
}

pid_t fork_and_exec(const SpawnOptions& options) {
  if (options.argv.empty()) throw Error(ErrorKind::failed, "cannot run a program: none was named");
  const std::string program = find_program(options.argv.front());
  if (program.empty())
    throw Error(ErrorKind::failed,
                fmt::format("cannot run {}: not found in PATH", printable(options.argv.front())));
  std::vector<char*> argv;
  argv.reserve(options.argv.size() + 1);
  for (const std::string& argument : options.argv)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  const UniqueFd null = open_file("/dev/null", O_RDWR);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_system_error("cannot run", program, errno);
  const UniqueFd report_end(ends[0]);
  UniqueFd child_end(ends[1]);

  const auto or_null = [&](int fd) { return fd >= 0 ? fd : null.get(); };
  const Plan plan{
      program.c_str(),
      argv.data(),
      options.network_namespace_fd,
      {or_null(options.stdin_fd), or_null(options.stdout_fd), or_null(options.stderr_fd)},
      child_end.get(),
      ::getpid()};
  const pid_t pid = ::fork();
  if (pid < 0) throw_system_error("cannot run", program, errno);
  if (pid == 0) become_program(plan);

  child_end.reset();
  Report report{};
  ssize_t got = 0;
  do {
    got = ::read(report_end.get(), &report, sizeof report);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof report)) return pid;
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  constexpr std::array<std::string_view, 3> steps{
      "cannot hand descriptors to", "cannot enter a network namespace for", "cannot run"};
  throw_system_error(steps.at(static_cast<std::size_t>(report.step)), program, report.error_number);
}

}  // namespace

Spawner::Spawner() : thread_([this] { run(); }) {}

Spawner::~Spawner() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

pid_t Spawner::spawn(SpawnOptions options) {
  std::packaged_task<pid_t()> request(
      [options = std::move(options)] { return fork_and_exec(options); });
  std::future<pid_t> pid = request.get_future();
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
  }
  wake_.notify_one();
  return pid.get();
}

void Spawner::run() {
  sigset_t all;  // a signal to this process is for a thread that expects one
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !requests_.empty(); });
    if (requests_.empty()) return;
    std::packaged_task<pid_t()> request = std::move(requests_.front());
    requests_.pop_front();
    lock.unlock();
    request();
    lock.lock();
  }
}

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* const path = std::getenv("PATH");
  // A plain user's PATH often lacks the sbin folders, where Debian keeps ip and tc.
  const std::string folders =
      fmt::format("{}:/usr/sbin:/sbin", path != nullptr ? path : "/usr/bin:/bin");
  for (std::size_t begin = 0; begin <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', begin), folders.size());
    std::string candidate = fmt::format("{}/{}", folders.substr(begin, end - begin), name);
    if (end > begin && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return {};
}

}  // namespace murder::lab
