#include "host/daemons.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <thread>
#include <tuple>
#include <unistd.h>

#include "host/beneath.hpp"

namespace murder {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view suffix = ".daemon";
constexpr std::uint64_t longest_file_bytes = 1u << 20;
constexpr Duration pause_between_tries = std::chrono::milliseconds(5);
constexpr Duration pause_between_looks = std::chrono::milliseconds(50);
/// Whoever looks has the lock for an instant; that must not turn anyone away.
constexpr Duration patience_with_a_look = std::chrono::milliseconds(200);
/// For one that has let go of its lock, until its process has ended.
constexpr Duration patience_with_an_end = std::chrono::seconds(5);
/// For one that has its lock and has not written yet who it is.
constexpr Duration patience_with_a_start = std::chrono::seconds(2);
/// What the kernel may need to take a killed process down, with all its memory.
constexpr Duration patience_with_the_kernel = std::chrono::seconds(20);

Instant now() { return std::chrono::steady_clock::now(); }

bool is_plain(char c) {
  const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const bool is_digit = c >= '0' && c <= '9';
  return is_letter || is_digit ||
         (c != '\0' && std::string_view("._:-[]").find(c) != std::string_view::npos);
}

/// Torrents of other makes may be called anything.
std::string stem_of(const Daemon& daemon) {
  std::string stem = fmt::format("{}-{}", daemon.role, daemon.name.substr(0, 150));
  if (!daemon.distinct.empty()) stem += "-" + daemon.distinct;
  for (char& c : stem)
    if (!is_plain(c)) c = '_';
  return stem;
}

fs::path path_of(const fs::path& folder, const Daemon& daemon) {
  return folder / (stem_of(daemon) + std::string(suffix));
}

/// False: another has it, in a way that keeps this one out.
bool try_to_lock(int fd, int how, const fs::path& path) {
  while (::flock(fd, how | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) throw_system_error("cannot lock", path.native(), errno);
  }
  return true;
}

bool lock_within(Duration patience, int fd, int how, const fs::path& path) {
  const Instant deadline = now() + patience;
  while (!try_to_lock(fd, how, path)) {
    if (now() >= deadline) return false;
    std::this_thread::sleep_for(pause_between_tries);
  }
  return true;
}

/// One who found its process gone may have taken the file away before this one had its lock.
bool has_name(const fs::path& path, int fd) {
  struct stat named {};
  struct stat opened {};
  return ::lstat(path.c_str(), &named) == 0 && ::fstat(fd, &opened) == 0 &&
         named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

std::string to_text(const Daemon& daemon) {
  Json json;
  json["schema"] = 1;
  json["role"] = daemon.role;
  json["name"] = daemon.name;
  json["distinct"] = daemon.distinct;
  json["place"] = daemon.place;
  json["options"] = daemon.options;
  json["log"] = daemon.log;
  json["pid"] = daemon.process.pid;
  json["started"] = daemon.process.started;
  json["machine"] = daemon.process.machine;
  json["boot"] = daemon.process.boot;
  json["numbering"] = daemon.process.numbering;
  json["since"] = daemon.since;
  json["serves"] = daemon.serves;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// nullopt: it is not written yet, or not by us.
std::optional<Daemon> from_text(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto word = [&](const char* key) {
    const auto it = json.find(key);
    return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  const auto number = [&](const char* key) -> std::int64_t {
    const auto it = json.find(key);
    return it != json.end() && it->is_number_integer() ? it->get<std::int64_t>() : 0;
  };
  Daemon daemon;
  daemon.role = word("role");
  daemon.name = word("name");
  daemon.distinct = word("distinct");
  daemon.place = word("place");
  daemon.options = word("options");
  daemon.log = word("log");
  daemon.process.pid = number("pid");
  daemon.process.started = number("started");
  daemon.process.machine = word("machine");
  daemon.process.boot = word("boot");
  daemon.process.numbering = word("numbering");
  daemon.since = number("since");
  daemon.serves = json.value("serves", Json()) == true;
  if (daemon.role.empty() || daemon.process.pid <= 0) return std::nullopt;
  return daemon;
}

/// Who holds the file. Throws Error{failed} when it does not say so.
Daemon read_holder(int fd, const fs::path& path) {
  const Instant deadline = now() + patience_with_a_start;
  while (true) {
    std::string text(longest_file_bytes, '\0');
    const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (auto daemon = from_text(text)) return *std::move(daemon);
    if (now() >= deadline)
      throw Error(ErrorKind::failed,
                  fmt::format("{} is held by a process and does not say by which",
                              printable(path.native(), 4096)));
    std::this_thread::sleep_for(pause_between_tries);
  }
}

/// A file whose process is gone, if that is so.
bool remove_if_gone(int fd, const fs::path& path) {
  if (!try_to_lock(fd, LOCK_EX, path)) return false;
  if (has_name(path, fd)) ::unlink(path.c_str());
  return true;
}

std::string described(const Daemon& daemon) {
  return fmt::format("{} {} (process {})", daemon.role, printable(daemon.name), daemon.process.pid);
}

void write_to(int fd, const Daemon& daemon, const fs::path& path) {
  if (::ftruncate(fd, 0) != 0 || !write_all_at(fd, to_text(daemon), 0))
    throw_system_error("cannot write", path.native(), errno);
}

/// One that is being ended.
class Target {
 public:
  Target(const fs::path& folder, const Daemon& daemon) : path_(path_of(folder, daemon)) {
    try {
      begin(daemon);
    } catch (const Error& error) {
      fail(error.what());
    }
  }

  Ending finish(Instant deadline) {
    if (is_decided_) return ending_;
    try {
      if (wait_until(deadline)) return {Ending::How::ended, {}};
      signal(SIGKILL);
      if (is_decided_) return ending_;
      if (wait_until(now() + patience_with_the_kernel)) return {Ending::How::killed, {}};
      fail(fmt::format("{} was sent SIGKILL and is still there", described(daemon_)));
    } catch (const Error& error) {
      fail(error.what());
    }
    return ending_;
  }

 private:
  void begin(const Daemon& wanted) {
    fd_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    if (!fd_ && errno == ENOENT) return decide(Ending::How::gone);
    if (!fd_) throw_system_error("cannot open", path_.native(), errno);
    if (remove_if_gone(fd_.get(), path_)) return decide(Ending::How::gone);
    daemon_ = read_holder(fd_.get(), path_);
    // Another one that has begun since is not the one that was meant.
    const bool is_wanted = daemon_.process.pid == wanted.process.pid &&
                           daemon_.process.started == wanted.process.started;
    if (!is_wanted) return decide(Ending::How::gone);
    // Descriptors of processes are never used again for others, as numbers are.
    process_ = UniqueFd(
        static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(daemon_.process.pid), 0)));
    switch (standing_of(daemon_.process)) {
      case ProcessStanding::runs:
        return signal(SIGTERM);
      case ProcessStanding::gone:
        if (lock_within(patience_with_a_start, fd_.get(), LOCK_SH, path_))
          return decide(Ending::How::gone);
        return fail(fmt::format("{} is gone, and another process holds {}: not touched",
                                described(daemon_), path_.native()));
      case ProcessStanding::elsewhere:
        return fail(
            fmt::format("{} runs in another container or on another machine ({}): stop it "
                        "there",
                        described(daemon_), printable(daemon_.process.machine)));
    }
  }

  void signal(int number) {
    long sent = -1;
    if (process_)
      sent = ::syscall(SYS_pidfd_send_signal, process_.get(), number, nullptr, 0);
    else if (standing_of(daemon_.process) == ProcessStanding::runs)  // a kernel before 5.3
      sent = ::kill(static_cast<pid_t>(daemon_.process.pid), number);
    else
      errno = ESRCH;
    if (sent == 0 || errno == ESRCH) return;
    fail(fmt::format("cannot end {}: {}", described(daemon_), system_reason(errno)));
  }

  bool wait_until(Instant deadline) {
    if (!lock_within(deadline - now(), fd_.get(), LOCK_SH, path_)) return false;
    wait_for_process(std::max(deadline, now() + patience_with_an_end));
    static_cast<void>(remove_if_gone(fd_.get(), path_));
    return true;
  }

  /// It lets go of the lock when it has nothing more to do, and then has still to end.
  void wait_for_process(Instant deadline) const {
    if (!process_) return;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now());
    pollfd ends{process_.get(), POLLIN, 0};
    ::poll(&ends, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000)));
  }

  void decide(Ending::How how) {
    ending_.how = how;
    is_decided_ = true;
  }
  void fail(const std::string& reason) {
    decide(Ending::How::failed);
    ending_.reason = reason;
  }

  fs::path path_;
  UniqueFd fd_;
  UniqueFd process_;
  Daemon daemon_;
  Ending ending_;
  bool is_decided_ = false;
};

}  // namespace

fs::path daemon_folder(const std::function<const char*(const std::string&)>& variable) {
  const auto set = [&](const char* name) -> std::string {
    const char* const value = variable(name);
    return value == nullptr ? "" : value;
  };
  if (const std::string chosen = set("MURDER_RUN_DIR"); !chosen.empty())
    return fs::absolute(chosen);
  if (::geteuid() == 0) return "/run/murder";
  // A home may be on many machines.
  const std::string machine = ProcessIdentity::of_this_process().machine;
  if (const std::string cache = set("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "murder/run" / machine;
  if (const std::string home = set("HOME"); !home.empty())
    return fs::path(home) / ".cache/murder/run" / machine;
  throw Error(ErrorKind::usage,
              "nowhere to remember what runs in the background: neither HOME nor MURDER_RUN_DIR is "
              "set");
}

fs::path default_log(const fs::path& folder, const Daemon& daemon) {
  return folder / (stem_of(daemon) + ".log");
}

void make_daemon_folder(const fs::path& folder) {
  std::error_code ec;
  fs::create_directories(folder.parent_path(), ec);
  const bool is_made = ::mkdir(folder.c_str(), 0700) == 0;
  const int reason = errno;
  struct stat st {};
  if (!is_made && (reason != EEXIST || ::stat(folder.c_str(), &st) != 0))
    throw Error(ErrorKind::failed,
                fmt::format("cannot create {}: {}; MURDER_RUN_DIR names another folder for what "
                            "runs in the background",
                            printable(folder.native(), 4096), system_reason(reason)));
  if (!is_made && (st.st_uid != ::geteuid() || (st.st_mode & 0022) != 0))
    throw Error(ErrorKind::failed,
                fmt::format("{} is to be this user's alone to write in, and is not",
                            printable(folder.native(), 4096)));
}

DaemonFile::DaemonFile(const fs::path& folder, Daemon daemon)
    : daemon_(std::move(daemon)), path_(path_of(folder, daemon_)) {
  make_daemon_folder(folder);
  while (true) {
    fd_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd_) throw_system_error("cannot open", path_.native(), errno);
    if (!lock_within(patience_with_a_look, fd_.get(), LOCK_EX, path_)) {
      const Daemon holder = read_holder(fd_.get(), path_);
      throw DaemonRuns(fmt::format("{} runs already", described(holder)), holder);
    }
    if (has_name(path_, fd_.get())) break;
  }
  daemon_.process = ProcessIdentity::of_this_process();
  daemon_.since = std::time(nullptr);
  write_to(fd_.get(), daemon_, path_);
}

DaemonFile::~DaemonFile() {
  if (has_name(path_, fd_.get())) ::unlink(path_.c_str());
}

void DaemonFile::set_serving() {
  daemon_.serves = true;
  write_to(fd_.get(), daemon_, path_);
}

bool wait_until_it_serves(const fs::path& folder, const Daemon& daemon) {
  const fs::path path = path_of(folder, daemon);
  while (true) {
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && errno == ENOENT) return false;
    if (!fd) throw_system_error("cannot open", path.native(), errno);
    if (remove_if_gone(fd.get(), path)) return false;
    const Daemon holder = read_holder(fd.get(), path);
    if (holder.process.pid != daemon.process.pid) return false;
    if (holder.serves) return true;
    std::this_thread::sleep_for(pause_between_looks);
  }
}

std::vector<Daemon> running_daemons(const fs::path& folder) {
  std::vector<Daemon> daemons;
  std::error_code ec;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ec)) {
    if (!entry.path().native().ends_with(suffix)) continue;
    const UniqueFd fd(::open(entry.path().c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    if (!fd || remove_if_gone(fd.get(), entry.path())) continue;
    daemons.push_back(read_holder(fd.get(), entry.path()));
  }
  if (ec && ec != std::errc::no_such_file_or_directory)
    throw_system_error("cannot read", folder.native(), ec.value());
  std::ranges::sort(daemons, {}, [](const Daemon& daemon) {
    return std::tie(daemon.role, daemon.name, daemon.distinct);
  });
  return daemons;
}

std::vector<Ending> end_daemons(const fs::path& folder, const std::vector<Daemon>& daemons,
                                Duration patience) {
  std::vector<Target> targets;
  targets.reserve(daemons.size());
  for (const Daemon& daemon : daemons) targets.emplace_back(folder, daemon);
  const Instant deadline = now() + patience;
  std::vector<Ending> endings;
  endings.reserve(targets.size());
  for (Target& target : targets) endings.push_back(target.finish(deadline));
  return endings;
}

}  // namespace murder
