#include "cli/signal_watch.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.hpp"

namespace murder::cli {
namespace {

sigset_t watched() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, number);
  return set;
}

}  // namespace

SignalWatch::SignalWatch() {
  const sigset_t set = watched();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw_system_error("cannot watch for", "signals", errno);
}

SignalWatch::~SignalWatch() {
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
  }
  const sigset_t set = watched();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void SignalWatch::check() {
  signalfd_siginfo info{};
  if (came_ == 0 && ::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
    came_ = static_cast<int>(info.ssi_signo);
  if (came_ == SIGINT) throw Error(ErrorKind::interrupted, "interrupted");
  if (came_ != 0) throw Error(ErrorKind::terminated, "terminated");
}

void SignalWatch::check_for(Duration time) {
  check();
  pollfd wait{fd_.get(), POLLIN, 0};
  ::poll(&wait, 1,
         static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()));
  check();
}

}  // namespace murder::cli
