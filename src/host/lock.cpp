#include "host/lock.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <fcntl.h>
#include <fmt/format.h>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "host/beneath.hpp"
#include "host/layout.hpp"

namespace murder {
namespace {

constexpr Duration pause_between_tries = std::chrono::milliseconds(5);
/// Whoever asks for a lock's holder has it for an instant; that must not turn anyone away.
constexpr Duration patience_with_a_look = std::chrono::milliseconds(200);

/// "murder peer v7.torrent --to /srv/app"; empty when the kernel does not tell.
std::string own_command() {
  const UniqueFd fd(::open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC));
  std::string command;
  if (!fd || !read_all(fd.get(), command, 1u << 20)) return {};
  while (!command.empty() && command.back() == '\0') command.pop_back();
  for (char& c : command)
    if (c == '\0') c = ' ';
  return printable(command, 120);
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  struct tm parts {};
  ::gmtime_r(&now, &parts);
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text, length};
}

/// The value of the line "KEY VALUE"; empty when there is none.
std::string line_value(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
      return printable(line.substr(key.size() + 1));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return {};
}

std::string text_of(int fd) {
  std::string text;
  return read_all(fd, text, 4096) ? text : std::string();
}

std::string process_in(const std::string& text) {
  const std::string pid = line_value(text, "pid");
  // The holder may not have come round to writing its name yet.
  if (pid.empty()) return "another process";
  const std::string command = line_value(text, "command");
  const std::string since = line_value(text, "since");
  std::string who = fmt::format("process {}", pid);
  if (!command.empty() && !since.empty()) who += fmt::format(" ({}, since {})", command, since);
  return who;
}

std::string deploy_in(const std::string& text) {
  const std::string deploy = line_value(text, "deploy");
  if (deploy.empty()) return process_in(text);
  const std::string who = line_value(text, "who");
  const std::string since = line_value(text, "since");
  std::string holder = fmt::format("deploy {}", deploy);
  if (!who.empty()) holder += fmt::format(" of {}", who);
  if (!since.empty()) holder += fmt::format(", since {}", since);
  return holder;
}

/// False: another holds it.
bool try_to_lock(int fd, const std::string& path) {
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) throw_system_error("cannot lock", path, errno);
  }
  return true;
}

bool lock_within(Duration patience, int fd, const std::string& path) {
  const Instant deadline = std::chrono::steady_clock::now() + patience;
  while (!try_to_lock(fd, path)) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(pause_between_tries);
  }
  return true;
}

/// A full disk must not keep anyone from locking: without the text the lock holds all the same.
void write_holder(int fd, std::string_view more = {}) {
  const std::string text =
      fmt::format("pid {}\nsince {}\ncommand {}\n{}", ::getpid(), utc_now(), own_command(), more);
  if (::ftruncate(fd, 0) == 0) write_all_at(fd, text, 0);
}

UniqueFd open_lock(const Destination& destination, const char* name) {
  const UniqueFd own = layout::open_folder(destination, layout::own);
  UniqueFd fd = open_beneath(own.get(), name, O_RDWR | O_CREAT, 0600);
  if (!fd)
    throw_system_error("cannot open",
                       layout::shown(destination, fmt::format("{}/{}", layout::own, name)), errno);
  return fd;
}

std::string shown_lock(const Destination& destination, std::string_view name) {
  return layout::shown(destination, fmt::format("{}/{}", layout::own, name));
}

/// DESTs of before there were transfers have no such folder.
UniqueFd open_transfers(const Destination& destination) {
  const UniqueFd own = layout::open_folder(destination, layout::own);
  const std::string name =
      std::string(layout::transfers).substr(std::string(layout::own).size() + 1);
  if (::mkdirat(own.get(), name.c_str(), 0700) != 0 && errno != EEXIST)
    throw_system_error("cannot create", layout::shown(destination, layout::transfers), errno);
  return layout::open_folder(destination, layout::transfers);
}

/// Prune takes such files away: what was locked may have no name any more.
bool has_name(int folder, const std::string& name, int fd) {
  struct stat named {};
  struct stat opened {};
  return ::fstatat(folder, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::fstat(fd, &opened) == 0 && named.st_dev == opened.st_dev &&
         named.st_ino == opened.st_ino;
}

}  // namespace

DestinationLock::DestinationLock(const Destination& destination, Duration patience)
    : fd_(open_lock(destination, layout::lock)) {
  if (!lock_within(patience, fd_.get(), shown_lock(destination, layout::lock))) {
    std::string holder = process_in(text_of(fd_.get()));
    throw LockHeld(fmt::format("{} is in use by {}; wait for it or end it",
                               destination.path().native(), holder),
                   holder);
  }
  write_holder(fd_.get());
}

TransferLock::TransferLock(const Destination& destination, const std::string& tag) {
  layout::require_release_tag(tag);
  folder_ = open_transfers(destination);
  name_ = tag + std::string(layout::lock_suffix);
  const std::string path =
      layout::shown(destination, fmt::format("{}/{}", layout::transfers, name_));
  do {
    fd_ = open_beneath(folder_.get(), name_, O_RDWR | O_CREAT, 0600);
    if (!fd_) throw_system_error("cannot open", path, errno);
    if (!lock_within(patience_with_a_look, fd_.get(), path)) {
      std::string holder = process_in(text_of(fd_.get()));
      throw LockHeld(fmt::format("{} in {} is in use by {}; wait for it or end it", tag,
                                 destination.path().native(), holder),
                     holder);
    }
  } while (!has_name(folder_.get(), name_, fd_.get()));
  write_holder(fd_.get());
}

std::string TransferLock::holder(const Destination& destination, const std::string& tag) {
  layout::require_release_tag(tag);
  const std::string name = fmt::format("{}/{}{}", layout::transfers, tag, layout::lock_suffix);
  const UniqueFd fd = open_beneath(destination.fd(), name, O_RDWR);
  if (!fd && errno == ENOENT) return {};
  const std::string path = layout::shown(destination, name);
  if (!fd) throw_system_error("cannot open", path, errno);
  return try_to_lock(fd.get(), path) ? std::string() : process_in(text_of(fd.get()));
}

void TransferLock::remove_file() { ::unlinkat(folder_.get(), name_.c_str(), 0); }

DeployLock::DeployLock(const Destination& destination, const std::string& deploy,
                       const std::string& who, const std::string& host)
    : fd_(open_lock(destination, layout::deploy_lock)) {
  if (!lock_within(patience_with_a_look, fd_.get(), shown_lock(destination, layout::deploy_lock))) {
    std::string holder = deploy_in(text_of(fd_.get()));
    throw LockHeld(
        fmt::format("{} is locked by {}; wait for it", destination.path().native(), holder),
        holder);
  }
  write_holder(fd_.get(), fmt::format("at {}\ndeploy {}\nwho {}\nhost {}\n", std::time(nullptr),
                                      printable(deploy), printable(who), printable(host)));
}

DeployLock::~DeployLock() {
  // So that flock(1), which writes nothing, is not taken for this deploy.
  if (fd_) static_cast<void>(!::ftruncate(fd_.get(), 0));
}

void DeployLock::touch() noexcept {
  if (fd_) static_cast<void>(!::futimens(fd_.get(), nullptr));
}

void DeployLock::set_leaving() noexcept {
  constexpr std::string_view line = "leaving yes\n";
  struct stat st {};
  if (fd_ && ::fstat(fd_.get(), &st) == 0)
    static_cast<void>(::pwrite(fd_.get(), line.data(), line.size(), st.st_size) < 0);
}

std::optional<DeployLock::Holder> DeployLock::look(const Destination& destination) {
  const UniqueFd fd = open_beneath(destination.fd(),
                                   fmt::format("{}/{}", layout::own, layout::deploy_lock), O_RDWR);
  if (!fd && errno == ENOENT) return std::nullopt;
  const std::string path = shown_lock(destination, layout::deploy_lock);
  if (!fd) throw_system_error("cannot open", path, errno);
  struct stat st {};
  const bool is_dated = ::fstat(fd.get(), &st) == 0;
  if (try_to_lock(fd.get(), path)) return std::nullopt;
  const std::string text = text_of(fd.get());
  const std::int64_t now = std::time(nullptr);
  const auto number = [&](std::string_view key) {
    const std::string value = line_value(text, key);
    std::int64_t result = 0;
    std::from_chars(value.data(), value.data() + value.size(), result);
    return result;
  };
  Holder holder;
  holder.words = deploy_in(text);
  holder.deploy = line_value(text, "deploy");
  holder.host = line_value(text, "host");
  holder.pid = static_cast<int>(number("pid"));
  const std::int64_t taken_at = number("at");
  if (taken_at > 0) holder.held_s = std::max<std::int64_t>(0, now - taken_at);
  if (is_dated) holder.silent_s = std::max<std::int64_t>(0, now - st.st_mtim.tv_sec);
  holder.leaving = !line_value(text, "leaving").empty();
  return holder;
}

std::string DeployLock::holder(const Destination& destination) {
  const auto holder = look(destination);
  return holder ? holder->words : std::string();
}

}  // namespace murder
