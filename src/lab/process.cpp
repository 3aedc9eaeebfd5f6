// Children of this process, reaped with their costs (wait4). No thread of its own.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <utility>

#include "base/error.hpp"
#include "lab/lab.hpp"

namespace murder::lab {
namespace {

constexpr std::chrono::seconds grace_after_sigterm{2};
constexpr timespec pause_between_looks{0, 2'000'000};

double seconds_of(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

}  // namespace

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      status_(std::exchange(other.status_, std::nullopt)),
      cpu_seconds_(other.cpu_seconds_),
      peak_rss_bytes_(other.peak_rss_bytes_) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this == &other) return *this;
  end();
  pid_ = std::exchange(other.pid_, -1);
  status_ = std::exchange(other.status_, std::nullopt);
  cpu_seconds_ = other.cpu_seconds_;
  peak_rss_bytes_ = other.peak_rss_bytes_;
  return *this;
}

Process::~Process() { end(); }

void Process::signal(int number) {
  // Until it is reaped the pid is the child's own, so this can never hit a stranger.
  if (pid_ > 0 && !status_) ::kill(pid_, number);
}

bool Process::reap(int options) {
  if (pid_ <= 0 || status_) return status_.has_value();
  int state = 0;
  rusage usage{};
  pid_t reaped = -1;
  do {
    reaped = ::wait4(pid_, &state, options, &usage);
  } while (reaped < 0 && errno == EINTR);
  if (reaped < 0) throw_system_error("cannot wait for", fmt::format("process {}", pid_), errno);
  if (reaped == 0) return false;
  status_ = WIFSIGNALED(state) ? 128 + WTERMSIG(state) : WEXITSTATUS(state);
  cpu_seconds_ = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  peak_rss_bytes_ = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  return true;
}

std::optional<int> Process::poll() {
  reap(WNOHANG);
  return status_;
}

int Process::wait() {
  if (pid_ <= 0) throw Error(ErrorKind::failed, "cannot wait for a process: none was started");
  reap(0);
  return *status_;
}

void Process::end() noexcept {
  if (pid_ <= 0 || status_) return;
  try {
    signal(SIGTERM);
    const auto deadline = std::chrono::steady_clock::now() + grace_after_sigterm;
    while (!reap(WNOHANG)) {
      if (std::chrono::steady_clock::now() >= deadline) signal(SIGKILL);
      ::nanosleep(&pause_between_looks, nullptr);
    }
  } catch (const Error&) {
    status_ = -1;  // somebody else reaped it: it is gone, which is all that is wanted here
  }
}

}  // namespace murder::lab
