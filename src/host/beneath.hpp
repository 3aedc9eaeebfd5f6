// Reaching files below an opened folder without ever leaving it: no ".." and no symlink is
// followed, whoever put it there. The kernel checks it where it can (openat2(2) with
// RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS); where it refuses that call, each component is opened
// with O_NOFOLLOW.
//
// Once a folder is open, calls that take one name below it (mkdirat, symlinkat, linkat, unlinkat,
// openat with O_NOFOLLOW) cannot leave it either, so they need no wrapper.
#pragma once

#include <cstdint>
#include <dirent.h>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"

namespace murder {

/// One component: not empty, ".", "..", no "/" and no NUL byte.
bool is_safe_name(std::string_view name);
/// Relative, made of is_safe_name() components.
bool is_safe_path(std::string_view path);

/// `automatic` asks the kernel first; `walk` opens one component after another.
enum class Resolve { automatic, walk };

/// openat(2) of `path` below `folder`, with O_CLOEXEC and O_NOFOLLOW added. On failure the
/// descriptor is empty and errno is set: EXDEV when the path is not is_safe_path(), ELOOP or
/// ENOTDIR when a symlink is in the way.
UniqueFd open_beneath(int folder, const std::string& path, int flags, unsigned mode = 0,
                      Resolve resolve = Resolve::automatic);

struct FolderItem {
  std::string name;
  unsigned char type = 0;  ///< DT_DIR, DT_REG, …; DT_UNKNOWN where the filesystem does not say
};
/// What `folder` holds, without "." and "..", in no order. False with errno when it cannot be read.
bool list_folder(int folder, std::vector<FolderItem>& items);

/// pwrite(2) until all is written; false with errno.
bool write_all_at(int fd, std::string_view data, std::uint64_t offset);
/// From `fd`, to its end; false with errno, EFBIG beyond `limit` bytes.
bool read_all(int fd, std::string& content, std::uint64_t limit = 1ull << 30);

/// Replaces `name` in `folder`: readers see the old content or the new. On disk when it returns.
/// The temporary is "NAME~", which no tag can be. False with errno; then nothing is left behind.
bool replace_file(int folder, const std::string& name, std::string_view content, unsigned mode);

/// Removes `name` in `parent` and, when it is a folder, all that it holds. Follows no symlink,
/// gives itself permission where folders deny it, holds few descriptors however deep the tree.
/// Nothing there is success. False with errno.
bool remove_tree(int parent, const std::string& name);

}  // namespace murder
