#include "cli/work_folder.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sstream>
#include <sys/mount.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "host/beneath.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

/// Not /tmp: it is often in memory, and small.
std::string temporary_folder() {
  const char* const chosen = std::getenv("TMPDIR");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/var/tmp";
}

}  // namespace

WorkFolder::WorkFolder() {
  std::string name = fs::absolute(temporary_folder()) / "murder-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw_system_error("cannot make a folder", name, errno);
  path_ = name;
}

WorkFolder::~WorkFolder() {
  if (!mounted_.empty()) ::umount2(mounted_.c_str(), MNT_DETACH);
  const UniqueFd parent(::open(path_.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!remove_tree(parent.get(), path_.filename().string()))
    fmt::print(stderr, "murder: cannot remove {}: {}\n", path_.string(), system_reason(errno));
}

bool WorkFolder::make_in_memory(const std::string& name, std::uint64_t size) {
  const fs::path place = path_ / name;
  fs::create_directory(place);
  if (::unshare(CLONE_NEWNS) != 0) return false;
  // Mounts made outside go on being seen in here, but not the other way round.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return false;
  const std::string options = fmt::format("size={},nr_inodes=0,mode=0700", size);
  if (::mount("murder", place.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0)
    return false;
  mounted_ = place;
  return true;
}

std::uint64_t available_memory() {
  std::istringstream lines(read_file("/proc/meminfo"));
  std::string name;
  std::uint64_t kibibytes = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    if (fields >> name >> kibibytes && name == "MemAvailable:") return kibibytes * 1024;
  }
  return 0;
}

}  // namespace murder::cli
