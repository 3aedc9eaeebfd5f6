// The lock on a DEST: flock(2) on .murder/lock, so that a crash frees it. The file's text says who
// holds it and is for people alone.
#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <fmt/format.h>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "host/beneath.hpp"
#include "host/destination.hpp"
#include "host/layout.hpp"

namespace murder {
namespace {

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

std::string holder(int fd) {
  std::string text;
  if (!read_all(fd, text, 4096)) return "another process";
  const std::string pid = line_value(text, "pid");
  // The holder may not have come round to writing its name yet.
  if (pid.empty()) return "another process";
  const std::string command = line_value(text, "command");
  const std::string since = line_value(text, "since");
  std::string who = fmt::format("process {}", pid);
  if (!command.empty() && !since.empty()) who += fmt::format(" ({}, since {})", command, since);
  return who;
}

}  // namespace

DestinationLock::DestinationLock(const Destination& destination) {
  const UniqueFd own = layout::open_folder(destination, layout::own);
  fd_ = open_beneath(own.get(), layout::lock, O_RDWR | O_CREAT, 0600);
  const std::string path =
      layout::shown(destination, fmt::format("{}/{}", layout::own, layout::lock));
  if (!fd_) throw_system_error("cannot open", path, errno);
  int result = -1;
  do {
    result = ::flock(fd_.get(), LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    if (errno != EWOULDBLOCK) throw_system_error("cannot lock", path, errno);
    throw Error(ErrorKind::failed, fmt::format("{} is in use by {}; wait for it or end it",
                                               destination.path().native(), holder(fd_.get())));
  }
  // A full disk must not keep anyone from locking: without the text the lock holds all the same.
  const std::string text =
      fmt::format("pid {}\nsince {}\ncommand {}\n", ::getpid(), utc_now(), own_command());
  if (::ftruncate(fd_.get(), 0) == 0) write_all_at(fd_.get(), text, 0);
}

}  // namespace murder
