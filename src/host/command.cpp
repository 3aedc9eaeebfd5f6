#include "host/command.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "host/spawn.hpp"

namespace murder {
namespace {

/// Between SIGTERM and SIGKILL, and between SIGKILL and giving up on a process that the kernel
/// itself holds.
constexpr Duration grace = std::chrono::seconds(2);
/// For what the shell's children still print after it has ended.
constexpr Duration drain = std::chrono::milliseconds(200);
/// How often an end is looked for where nothing tells of it (kernels before 5.3).
constexpr Duration look_every = std::chrono::milliseconds(10);

Instant now() { return std::chrono::steady_clock::now(); }

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_system_error("cannot make", "a pipe", errno);
  Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  // The reader alone does not wait: a hook expects ordinary descriptors.
  ::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

/// One run of a command, from its start to the moment at which nothing more is to come of it.
class Run {
 public:
  explicit Run(const CommandOptions& options)
      : started_(now()),
        stopper_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        on_stop_(options.stop, [this] { ::eventfd_write(stopper_.get(), 1); }) {
    if (!stopper_) throw_system_error("cannot make", "an eventfd", errno);
    Pipe pipe = make_pipe();
    shell_ = spawn({.program = options.shell,
                    .argv = {"sh", "-c", options.command},
                    .environment = options.environment,
                    .folder = options.folder,
                    .output = pipe.write.get()});
    pipe_ = std::move(pipe.read);
    ended_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, shell_, 0)));
    deadline_ = started_ + options.timeout;
  }

  CommandOutcome to_its_end() {
    while (!over()) {
      wait();
      read_output();
      if (!ended_at_ && shell_has_ended()) ended_at_ = now();
      look_at_the_clock();
    }
    CommandOutcome outcome;
    outcome.status = reap(shell_).value_or(128 + SIGKILL);
    outcome.timed_out = timed_out_;
    outcome.stopped = ending_ && !timed_out_;
    outcome.seconds = to_seconds(ended_at_.value_or(now()) - started_);
    outcome.output = output_.text();
    outcome.output_bytes = output_.bytes();
    return outcome;
  }

 private:
  bool over() const {
    // What it left behind is ended as well.
    if (ending_) return (ended_at_ && !pipe_) || (killed_ && now() >= deadline_);
    return ended_at_ && (!pipe_ || now() >= *ended_at_ + drain);
  }

  void look_at_the_clock() {
    if (!ending_ && !ended_at_ && (stopped_ || now() >= deadline_)) {
      ending_ = true;
      timed_out_ = !stopped_;
      deadline_ = now() + grace;
      ::kill(-shell_, SIGTERM);
    } else if (ending_ && !killed_ && now() >= deadline_) {
      killed_ = true;
      // What holds the pipe after this is no longer of its group, or cannot be killed.
      deadline_ = now() + (ended_at_ ? drain : grace);
      ::kill(-shell_, SIGKILL);
    } else if (killed_ && ended_at_) {
      deadline_ = std::min(deadline_, *ended_at_ + drain);
    }
  }

  void wait() {
    Instant until = deadline_;
    if (ended_at_ && !ending_) until = *ended_at_ + drain;
    if (!ended_at_ && !ended_) until = std::min(until, now() + look_every);
    std::array<pollfd, 3> fds{{{pipe_.get(), POLLIN, 0},
                               {ended_at_ ? -1 : ended_.get(), POLLIN, 0},
                               {stopped_ || ended_at_ ? -1 : stopper_.get(), POLLIN, 0}}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now()).count();
    constexpr std::int64_t longest_ms = 60'000;
    ::poll(fds.data(), fds.size(), static_cast<int>(std::clamp<std::int64_t>(left, 0, longest_ms)));
    if (fds[2].revents != 0) stopped_ = true;
  }

  /// One buffer: who prints without end must not keep the clock from being looked at.
  void read_output() {
    if (!pipe_) return;
    std::array<char, 64u << 10> buffer;  // NOLINT(*-member-init): written by read(2)
    const ssize_t n = ::read(pipe_.get(), buffer.data(), buffer.size());
    if (n > 0)
      output_.add({buffer.data(), static_cast<std::size_t>(n)});
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
      pipe_.reset();
  }

  /// It is not reaped yet, so that its id, which is its group's, stays its own.
  bool shell_has_ended() const {
    siginfo_t info{};
    const int result =
        ::waitid(P_PID, static_cast<id_t>(shell_), &info, WEXITED | WNOHANG | WNOWAIT);
    return result != 0 ? errno == ECHILD : info.si_pid == shell_;
  }

  const Instant started_;
  UniqueFd stopper_;
  std::stop_callback<std::function<void()>> on_stop_;
  pid_t shell_ = -1;
  UniqueFd pipe_;   ///< empty: everything that it printed is here
  UniqueFd ended_;  ///< readable when the shell has ended; empty where the kernel has no such thing
  OutputEnds output_;
  Instant deadline_;  ///< of what is waited for now: its time, SIGKILL's, the last
  std::optional<Instant> ended_at_;
  bool stopped_ = false;
  bool ending_ = false;  ///< its process group was told to end
  bool timed_out_ = false;
  bool killed_ = false;
};

}  // namespace

void OutputEnds::add(std::string_view part) {
  bytes_ += part.size();
  const std::size_t head = std::min(part.size(), kept_output_bytes - first_.size());
  first_.append(part.substr(0, head));
  part.remove_prefix(head);
  // Of a part that is longer than what is kept, only its end counts.
  if (part.size() > kept_output_bytes) part.remove_prefix(part.size() - kept_output_bytes);
  const std::size_t tail = std::min(part.size(), kept_output_bytes - last_.size());
  last_.append(part.substr(0, tail));
  part.remove_prefix(tail);
  while (!part.empty()) {
    const std::size_t n = std::min(part.size(), kept_output_bytes - oldest_);
    std::copy_n(part.begin(), n, last_.begin() + static_cast<std::ptrdiff_t>(oldest_));
    oldest_ = (oldest_ + n) % kept_output_bytes;
    part.remove_prefix(n);
  }
}

std::string OutputEnds::text() const {
  const std::string end = last_.substr(oldest_) + last_.substr(0, oldest_);
  const std::uint64_t left_out = bytes_ - first_.size() - last_.size();
  if (left_out == 0) return first_ + end;
  return fmt::format("{}\n[… {} left out …]\n{}", first_, format_bytes(left_out), end);
}

std::string CommandOutcome::reason(Duration timeout) const {
  if (timed_out) return fmt::format("not done within {:g} s", to_seconds(timeout));
  if (stopped) return "ended, because the session that ordered it has ended";
  return describe_status(status);
}

CommandOutcome run_command(const CommandOptions& options) { return Run(options).to_its_end(); }

}  // namespace murder
