// Removing a tree that others may be changing, that may be deeper than there are descriptors, and
// whose folders may deny their owner.
//
// Two levels at a time: a folder found in a child of the tree's root is moved up into the root and
// waits its turn there. So no recursion and no stack of open folders is needed, and no path is
// resolved again that someone could have exchanged for a symlink.
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <fmt/format.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "host/beneath.hpp"

namespace murder {
namespace {

constexpr int folder_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

bool lacks_permission(const struct stat& st) { return (st.st_mode & S_IRWXU) != S_IRWXU; }

/// Opens a folder so that its items can be removed, even one of mode 0.
UniqueFd open_to_empty(int parent, const char* name) {
  UniqueFd fd(::openat(parent, name, folder_flags));
  if (!fd && errno == EACCES) {
    // chmod through the descriptor's own name: unlike fchmodat() it cannot meet a symlink.
    const UniqueFd path(::openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!path) return {};
    if (::chmod(fmt::format("/proc/self/fd/{}", path.get()).c_str(), S_IRWXU) != 0) return {};
    fd = UniqueFd(::openat(path.get(), ".", folder_flags));
  }
  struct stat st {};
  if (fd && ::fstat(fd.get(), &st) == 0 && lacks_permission(st)) ::fchmod(fd.get(), S_IRWXU);
  return fd;
}

/// True when it is gone or was not there; false with EISDIR for a folder.
bool remove_item(int parent, const FolderItem& item) {
  if (item.type == DT_DIR) {
    errno = EISDIR;
    return false;
  }
  return ::unlinkat(parent, item.name.c_str(), 0) == 0 || errno == ENOENT;
}

bool remove_folder(int parent, const std::string& name) {
  return ::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT;
}

/// Moves the folder `name` from `from` up into `root`, under a name that nothing there has (or only
/// an empty folder, which it replaces).
bool move_up(int from, const std::string& name, int root, std::uint64_t& counter,
             std::vector<FolderItem>& waiting) {
  bool permission_given = false;
  for (;;) {
    std::string free_name = fmt::format("~{}", counter);
    if (::renameat(from, name.c_str(), root, free_name.c_str()) == 0) {
      waiting.push_back({std::move(free_name), DT_DIR});
      ++counter;
      return true;
    }
    if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR) {
      ++counter;
    } else if (errno == EACCES && !permission_given) {
      // A folder that changes its parent must be writable for its owner: its ".." changes.
      if (!open_to_empty(from, name.c_str())) return false;
      permission_given = true;
    } else {
      return errno == ENOENT;
    }
  }
}

bool empty_folder(int folder, int root, std::uint64_t& counter, std::vector<FolderItem>& waiting) {
  std::vector<FolderItem> items;
  if (!list_folder(folder, items)) return false;
  for (const FolderItem& item : items) {
    if (remove_item(folder, item)) continue;
    if (errno != EISDIR) return false;
    if (remove_folder(folder, item.name)) continue;
    if (errno != ENOTEMPTY && errno != EEXIST) return false;
    if (!move_up(folder, item.name, root, counter, waiting)) return false;
  }
  return true;
}

}  // namespace

bool remove_tree(int parent, const std::string& name) {
  if (!is_safe_name(name)) {
    errno = EXDEV;
    return false;
  }
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return true;
  if (errno != EISDIR) return false;
  const UniqueFd root = open_to_empty(parent, name.c_str());
  if (!root) return errno == ENOENT;

  std::vector<FolderItem> waiting;
  std::uint64_t counter = 0;
  if (!list_folder(root.get(), waiting)) return false;
  while (!waiting.empty()) {
    const FolderItem item = std::move(waiting.back());
    waiting.pop_back();
    if (remove_item(root.get(), item)) continue;
    if (errno != EISDIR) return false;
    const UniqueFd folder = open_to_empty(root.get(), item.name.c_str());
    if (!folder && errno == ENOENT) continue;
    if (!folder || !empty_folder(folder.get(), root.get(), counter, waiting)) return false;
    if (!remove_folder(root.get(), item.name)) return false;
  }
  return remove_folder(parent, name);
}

}  // namespace murder
