#include "cli/background.hpp"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "base/error.hpp"
#include "base/standard_streams.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

/// A log that has grown beyond this is begun anew by the next daemon.
constexpr off_t longest_log_bytes = 1 << 20;

/// Whom a signal to the waiting parent is for. Set before the handler is.
volatile pid_t detached_child = 0;

/// Locks, pipes and terminals of whoever started the command would be held for as long as the child
/// lives. Ours are closed by exec, all of them; what is not was inherited.
void close_inherited_descriptors() {
  std::vector<int> inherited;
  std::error_code ec;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc/self/fd", ec)) {
    const std::string name = entry.path().filename().native();
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    if (fd <= STDERR_FILENO) continue;
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) inherited.push_back(fd);
  }
  for (const int fd : inherited) ::close(fd);
}

[[noreturn]] void end_with(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/// sd_notify(3).
void tell_service_manager(std::string_view state) {
  const char* const name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr || (*name != '/' && *name != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(name);
  if (length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, name, length);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return;
  ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(&address),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
}

/// Passes everything on, and does something at the first sign that the service listens.
class UntilListening final : public events::EventSink {
 public:
  UntilListening(events::EventSink& events, std::function<void(const Endpoint&)> on_listening)
      : events_(events), on_listening_(std::move(on_listening)) {}

  void emit(const events::Event& event) override {
    events_.emit(event);
    const auto* listening = std::get_if<events::Listening>(&event);
    if (listening != nullptr && on_listening_)
      std::exchange(on_listening_, nullptr)(listening->endpoint);
  }

 private:
  events::EventSink& events_;
  std::function<void(const Endpoint&)> on_listening_;
};

UniqueFd open_log(const fs::path& path) {
  UniqueFd log = open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  struct stat st {};
  if (::fstat(log.get(), &st) == 0 && S_ISREG(st.st_mode) && st.st_size > longest_log_bytes)
    static_cast<void>(::ftruncate(log.get(), 0) == 0);
  return log;
}

/// Nothing of those who started it is in the daemon's hands from here on.
void use_log(const UniqueFd& log) {
  let_go_of_standard_streams();
  ::dup2(log.get(), STDOUT_FILENO);
  ::dup2(log.get(), STDERR_FILENO);
  static_cast<void>(::chdir("/") == 0);
}

/// In the child.
class Background {
 public:
  Background(Context& context, const BackgroundFlags& flags, Daemon daemon, int parent)
      : context_(context),
        daemon_(std::move(daemon)),
        parent_(parent),
        folder_(own_daemon_folder()) {
    if (!flags.log.empty()) daemon_.log = fs::absolute(flags.log).native();
    if (!daemon_.name.empty()) claim();
  }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  /// A log in which nothing is tells nobody anything.
  ~Background() {
    struct stat st {};
    if (!has_default_log_ || ::stat(daemon_.log.c_str(), &st) != 0 || st.st_size != 0) return;
    ::unlink(daemon_.log.c_str());
  }

  void listens(const Endpoint& endpoint) {
    if (!file_) {
      daemon_.name = endpoint.to_string();
      claim();
    }
    file_->set_serving();
    context_.reporter->emit(to_event(file_->daemon(), "started"));
    context_.reporter->say(fmt::format("in the background as process {}; murder stop {} {} ends it",
                                       file_->daemon().process.pid, daemon_.role,
                                       printable(daemon_.name)));
    context_.reporter->settle();
    const char ready = 1;
    const bool is_told = ::write(parent_, &ready, 1) == 1;
    static_cast<void>(is_told);  // a parent that is gone changes nothing
    context_.reporter->go_silent();
    use_log(log_);
  }

 private:
  void claim() {
    make_daemon_folder(folder_);
    has_default_log_ = daemon_.log.empty();
    if (has_default_log_) daemon_.log = default_log(folder_, daemon_).native();
    file_.emplace(folder_, daemon_);
    log_ = open_log(daemon_.log);
  }

  Context& context_;
  Daemon daemon_;
  int parent_;
  fs::path folder_;
  bool has_default_log_ = false;
  UniqueFd log_;
  std::optional<DaemonFile> file_;
};

}  // namespace

UniqueFd detach() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_system_error("cannot make", "a pipe", errno);
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  // A signal that comes before the parent can pass it on waits until it can.
  sigset_t signals;
  sigset_t before;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &signals, &before);
  const pid_t child = ::fork();
  if (child == 0) ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (child < 0) throw_system_error("cannot start", "a process in the background", errno);
  if (child == 0) {
    ::setsid();
    close_inherited_descriptors();
    return write_end;
  }
  write_end.reset();
  detached_child = child;
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction pass_on {};
    pass_on.sa_handler = [](int signal) { ::kill(detached_child, signal); };
    ::sigaction(number, &pass_on, nullptr);
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  char done = 0;
  ssize_t n = 0;
  do {
    n = ::read(read_end.get(), &done, 1);
  } while (n < 0 && errno == EINTR);
  if (n == 1) ::_exit(0);
  end_with(child);
}

fs::path own_daemon_folder() {
  return daemon_folder([](const std::string& name) { return std::getenv(name.c_str()); });
}

void BackgroundFlags::add_to(CLI::App& command) {
  command.add_flag("--daemon", daemon,
                   "Return when it serves, and go on in the background; murder stop ends it");
  command
      .add_option("--log", log,
                  "Where it writes what goes wrong in the background (default: a file that murder "
                  "stop --list names)")
      ->type_name("FILE");
}

void run_service(Context& context, const BackgroundFlags& flags, const Daemon& daemon,
                 const Service& service) {
  if (!flags.daemon) {
    UntilListening events(*context.reporter,
                          [](const Endpoint&) { tell_service_manager("READY=1\n"); });
    return service(events);
  }
  const UniqueFd parent = detach();
  std::optional<Background> background;
  while (!background) try {
      background.emplace(context, flags, daemon, parent.get());
    } catch (const DaemonRuns& runs) {
      if (runs.daemon().options != daemon.options)
        throw DaemonRuns(
            fmt::format("{}, with other options; murder stop {} {} ends it", runs.what(),
                        runs.daemon().role, printable(runs.daemon().name)),
            runs.daemon());
      // It may still be at what comes before; and if it fails at that, this one has its turn.
      if (!wait_until_it_serves(own_daemon_folder(), runs.daemon())) continue;
      context.reporter->emit(to_event(runs.daemon(), "running"));
      return context.reporter->say(runs.what());
    }
  UntilListening events(*context.reporter,
                        [&](const Endpoint& endpoint) { background->listens(endpoint); });
  service(events);
}

events::Daemon to_event(const Daemon& daemon, const std::string& state) {
  events::Daemon event;
  event.role = daemon.role;
  event.name = daemon.name;
  event.state = state;
  event.pid = daemon.process.pid;
  event.since = daemon.since;
  event.place = daemon.place;
  event.log = daemon.log;
  return event;
}

}  // namespace murder::cli
