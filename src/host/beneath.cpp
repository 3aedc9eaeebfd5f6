#include "host/beneath.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/openat2.h>
#include <memory>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace murder {
namespace {

int open_at(int folder, const char* name, int flags, unsigned mode) {
  int fd = -1;
  do {
    fd = ::openat(folder, name, flags, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

UniqueFd open_by_walk(int folder, const std::string& path, int flags, unsigned mode) {
  UniqueFd parent;
  std::size_t begin = 0;
  for (std::size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', begin)) {
    const std::string name = path.substr(begin, slash - begin);
    parent = UniqueFd(open_at(parent ? parent.get() : folder, name.c_str(),
                              O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0));
    if (!parent) return parent;
    begin = slash + 1;
  }
  return UniqueFd(open_at(parent ? parent.get() : folder, path.c_str() + begin, flags, mode));
}

}  // namespace

bool is_safe_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

bool is_safe_path(std::string_view path) {
  for (;;) {
    const std::size_t slash = path.find('/');
    if (!is_safe_name(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

UniqueFd open_beneath(int folder, const std::string& path, int flags, unsigned mode,
                      Resolve resolve) {
  flags |= O_CLOEXEC | O_NOFOLLOW;
  if (!is_safe_path(path)) {
    errno = EXDEV;
    return {};
  }
  if (resolve == Resolve::automatic) {
    open_how how{};
    how.flags = static_cast<unsigned>(flags);
    how.mode = (flags & O_CREAT) != 0 ? mode : 0;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    const long fd = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    // Old kernels do not know the call, some containers forbid it, races make it give up.
    if (errno != ENOSYS && errno != EPERM && errno != EAGAIN && errno != EINTR) return {};
  }
  return open_by_walk(folder, path, flags, mode);
}

bool list_folder(int folder, std::vector<FolderItem>& items) {
  items.clear();
  // An own open file description: the position of `folder` stays, and O_PATH descriptors will do.
  UniqueFd fd(open_at(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
  if (!fd) return false;
  const auto close_directory = [](DIR* d) { ::closedir(d); };
  const std::unique_ptr<DIR, decltype(close_directory)> directory(::fdopendir(fd.get()),
                                                                  close_directory);
  if (!directory) return false;
  fd.release();
  for (;;) {
    errno = 0;
    const dirent* item = ::readdir(directory.get());
    if (item == nullptr) return errno == 0;
    const std::string_view name(item->d_name);
    if (name != "." && name != "..") items.push_back({std::string(name), item->d_type});
  }
}

bool write_all_at(int fd, std::string_view data, std::uint64_t offset) {
  while (!data.empty()) {
    const ssize_t n = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    data.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return true;
}

bool read_all(int fd, std::string& content, std::uint64_t limit) {
  content.clear();
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) return true;
    content.append(buffer, static_cast<std::size_t>(n));
    if (content.size() > limit) {
      errno = EFBIG;
      return false;
    }
  }
}

bool replace_file(int folder, const std::string& name, std::string_view content, unsigned mode) {
  const std::string temporary = name + "~";
  if (::unlinkat(folder, temporary.c_str(), 0) != 0 && errno != ENOENT) return false;
  {
    const UniqueFd fd(open_at(folder, temporary.c_str(),
                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!fd) return false;
    if (write_all_at(fd.get(), content, 0) && ::fsync(fd.get()) == 0 &&
        ::renameat(folder, temporary.c_str(), folder, name.c_str()) == 0)
      return ::fsync(folder) == 0;
  }
  const int reason = errno;
  ::unlinkat(folder, temporary.c_str(), 0);
  errno = reason;
  return false;
}

}  // namespace murder
