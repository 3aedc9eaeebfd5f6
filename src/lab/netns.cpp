#include "lab/netns.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sched.h>
#include <set>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"
#include "lab/processes.hpp"

namespace murder::lab {
namespace {

constexpr std::string_view folder = "/run/netns";  // where ip-netns(8) keeps names
constexpr std::string_view name_prefix = "murder-";

std::string path_of(std::string_view name) { return fmt::format("{}/{}", folder, name); }

/// Which namespace a /proc/…/ns/net or a named file is.
using NamespaceId = std::pair<dev_t, ino_t>;

std::optional<NamespaceId> id_of(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return std::nullopt;
  return NamespaceId{st.st_dev, st.st_ino};
}

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number number{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string fresh_namespace_name() {
  static std::atomic<unsigned> counter{0};
  for (;;) {
    std::string name = fmt::format("{}{}-{}", name_prefix, ::getpid(), counter++);
    // A dead process may have had this pid and have left its namespaces behind.
    if (!id_of(path_of(name))) return name;
  }
}

std::optional<pid_t> maker_of(std::string_view name) {
  if (!name.starts_with(name_prefix)) return std::nullopt;
  name.remove_prefix(name_prefix.size());
  const std::size_t dash = name.find('-');
  if (dash == std::string_view::npos || !whole_number<unsigned>(name.substr(dash + 1)))
    return std::nullopt;
  const auto pid = whole_number<pid_t>(name.substr(0, dash));
  return pid && *pid > 0 ? pid : std::nullopt;
}

UniqueFd open_namespace(const std::string& name) { return open_file(path_of(name), O_RDONLY); }

void inside_namespace(int namespace_fd, const std::function<void()>& work) {
  const UniqueFd home = open_file("/proc/thread-self/ns/net", O_RDONLY);
  if (::setns(namespace_fd, CLONE_NEWNET) != 0)
    throw_system_error("cannot enter", "a network namespace", errno);
  const auto go_home = [&] {
    // A thread left behind would make its next sockets in the wrong place: nothing can go on.
    if (::setns(home.get(), CLONE_NEWNET) != 0) std::terminate();
  };
  try {
    work();
  } catch (...) {
    go_home();
    throw;
  }
  go_home();
}

void remove_namespaces(const std::vector<std::string>& names) {
  std::set<NamespaceId> ids;
  for (const std::string& name : names)
    if (const auto id = id_of(path_of(name))) ids.insert(*id);
  // Whatever a name points to, this process's own network is not a lab.
  if (const auto own = id_of("/proc/self/ns/net")) ids.erase(*own);
  if (!ids.empty())
    kill_all([&](pid_t pid) {
      const auto id = id_of(fmt::format("/proc/{}/ns/net", pid));
      return id && ids.contains(*id);
    });
  for (const std::string& name : names) {
    const std::string path = path_of(name);
    ::umount2(path.c_str(), MNT_DETACH);
    ::unlink(path.c_str());
  }
}

std::vector<std::string> stale_namespaces() {
  std::vector<std::string> stale = names_in(folder.data());
  std::erase_if(stale, [](const std::string& name) {
    const auto maker = maker_of(name);
    return !maker || ::kill(*maker, 0) == 0 || errno != ESRCH;
  });
  return stale;
}

}  // namespace murder::lab
