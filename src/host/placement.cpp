#include "host/placement.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "host/beneath.hpp"
#include "host/layout.hpp"
#include "host/room.hpp"
#include "release/tree_digest.hpp"

namespace murder {
namespace {

/// In DEST/releases, where no tag can be called so.
constexpr const char* replaced_name = "replaced~";

std::optional<struct stat> status_of(int folder, const char* name) {
  struct stat st {};
  if (::fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0) return st;
  return std::nullopt;
}

std::string words_for(const std::filesystem::path& path, const struct stat& st) {
  if (S_ISREG(st.st_mode)) return "a file";
  if (S_ISDIR(st.st_mode)) return "a folder";
  if (!S_ISLNK(st.st_mode)) return "a device, FIFO or socket";
  std::error_code ec;
  const std::filesystem::path target = std::filesystem::read_symlink(path, ec);
  return fmt::format("a symlink to {}", printable(target.native()));
}

std::string why_it_stays(const Placement& placement, const struct stat& st) {
  const std::string what = words_for(placement.target, st);
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode))
    return fmt::format("{} is {}: move it away", placement.target.native(), what);
  if (placement.is_file && S_ISDIR(st.st_mode))
    return fmt::format(
        "{} is a folder: name the file in it, or end the path with '/' to put it "
        "there under its own name",
        placement.target.native());
  if (placement.replace || (placement.is_file && S_ISREG(st.st_mode))) return {};
  return fmt::format("{} is there already, {}{}: --replace puts the new one in its place",
                     placement.target.native(), what,
                     S_ISDIR(st.st_mode) ? " with other content" : "");
}

bool belongs_to(const Owner& owner, const struct stat& st) {
  return owner.user.value_or(st.st_uid) == st.st_uid &&
         owner.group.value_or(st.st_gid) == st.st_gid;
}

bool all_belong_to(const Owner& owner, int root, const std::vector<SourceEntry>& entries) {
  return std::ranges::all_of(entries, [&](const SourceEntry& item) {
    const auto st = status_of(root, item.entry.path.c_str());
    return st && belongs_to(owner, *st);
  });
}

/// What is cheap to find out first.
bool is_same(const Placement& placement, const struct stat& st, const std::stop_token& stop) {
  if (!(placement.is_file ? S_ISREG(st.st_mode) : S_ISDIR(st.st_mode))) return false;
  if (!belongs_to(placement.owner, st)) return false;
  if (!placement.is_file && (st.st_mode & 0777) != placement.mode) return false;
  const std::filesystem::path folder =
      placement.is_file ? placement.target.parent_path() : placement.target;
  const std::string only = placement.is_file ? placement.target.filename().native() : "";
  ScanOptions options;
  options.only = only;
  options.include_vcs = true;
  std::optional<SourceTree> tree;
  try {
    tree = scan_tree(folder, options);
  } catch (const Error&) {
    return false;  // nothing in it, or what no release can hold
  }
  std::uint64_t bytes = 0;
  for (const SourceEntry& item : tree->entries)
    if (item.entry.type == EntryType::file) bytes += item.entry.size;
  if (bytes != placement.bytes) return false;
  if (placement.owner && !all_belong_to(placement.owner, tree->root.get(), tree->entries))
    return false;
  Manifest manifest = manifest_of_tree(std::move(*tree), stop);
  if (placement.is_file) manifest.entries.front().path = placed_file_name;
  return manifest.content_digest() == placement.content;
}

/// DEST/releases/TAG, or the file in it.
struct Staged {
  UniqueFd folder;
  std::string name;
};

Staged staged_item(const Destination& destination, const std::string& tag, bool is_file) {
  UniqueFd releases = layout::open_folder(destination, layout::releases);
  if (!is_file) return {std::move(releases), tag};
  UniqueFd release = open_beneath(releases.get(), tag, O_RDONLY | O_DIRECTORY);
  std::vector<FolderItem> items;
  if (!release || !list_folder(release.get(), items))
    throw_system_error("cannot read",
                       layout::shown(destination, fmt::format("{}/{}", layout::releases, tag)),
                       errno);
  if (items.size() != 1)
    throw Error(ErrorKind::integrity,
                fmt::format("cannot place {}: the release has {} items where one file is expected",
                            tag, items.size()));
  return {std::move(release), items.front().name};
}

/// Where the two cannot be exchanged at once, for a moment nothing is there.
bool exchange(int from, const std::string& name, int parent, const std::string& target,
              int releases) {
  if (::renameat2(from, name.c_str(), parent, target.c_str(), RENAME_EXCHANGE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  if (::renameat(parent, target.c_str(), releases, replaced_name) != 0) return false;
  if (::renameat(from, name.c_str(), parent, target.c_str()) == 0) return true;
  const int reason = errno;
  ::renameat(releases, replaced_name, parent, target.c_str());
  errno = reason;
  return false;
}

bool move_in(const Staged& item, const Placement& placement, int parent, int releases,
             bool something_is_there) {
  const std::string target = placement.target.filename().native();
  if (!something_is_there) {
    if (::renameat2(item.folder.get(), item.name.c_str(), parent, target.c_str(),
                    RENAME_NOREPLACE) == 0)
      return true;
    if (errno != EINVAL && errno != ENOSYS) return false;
    return ::renameat(item.folder.get(), item.name.c_str(), parent, target.c_str()) == 0;
  }
  return exchange(item.folder.get(), item.name, parent, target, releases);
}

[[noreturn]] void fail(const Placement& placement, int reason) {
  if (reason == EBUSY)
    throw Error(ErrorKind::failed,
                fmt::format("cannot place {}: it is a mount point: name a folder in it",
                            printable(placement.target.native())));
  throw_system_error("cannot place", placement.target.native(), reason);
}

}  // namespace

TargetState look_at_target(const Placement& placement, const std::stop_token& stop) {
  struct stat st {};
  if (::lstat(placement.target.c_str(), &st) != 0) {
    if (errno == ENOENT) return {};
    throw_system_error("cannot look at", placement.target.native(), errno);
  }
  if (is_same(placement, st, stop)) return {.same = true, .in_the_way = {}};
  return {.same = false, .in_the_way = why_it_stays(placement, st)};
}

bool place(const Destination& destination, const std::string& tag, const Placement& placement,
           const std::stop_token& stop) {
  const TargetState found = look_at_target(placement, stop);
  if (found.same) return false;
  if (!destination.has_release(tag))
    throw Error(ErrorKind::failed,
                fmt::format("cannot place {}: it is not staged in {}; run the same command again",
                            printable(placement.target.native()), destination.path().native()));
  if (!found.in_the_way.empty()) throw Error(ErrorKind::usage, found.in_the_way);

  const UniqueFd parent = open_file(placement.target.parent_path(), O_RDONLY | O_DIRECTORY);
  const UniqueFd releases = layout::open_folder(destination, layout::releases);
  const Staged item = staged_item(destination, tag, placement.is_file);
  // Who may not write to a folder cannot give it another parent.
  UniqueFd tree;
  if (!placement.is_file) {
    tree = open_beneath(item.folder.get(), item.name, O_RDONLY | O_DIRECTORY);
    if (!tree || ::fchmod(tree.get(), (placement.mode & 0777) | S_IRWXU) != 0)
      fail(placement, errno);
  }
  const bool something_is_there =
      status_of(parent.get(), placement.target.filename().c_str()).has_value();
  if (!move_in(item, placement, parent.get(), releases.get(), something_is_there))
    fail(placement, errno);
  if (tree && ::fchmod(tree.get(), placement.mode & 0777) != 0) fail(placement, errno);
  if (::fsync(parent.get()) != 0)
    throw_system_error("cannot sync", placement.target.parent_path().native(), errno);
  return something_is_there;
}

bool remove_staging(const Destination& destination) {
  const UniqueFd parent(
      ::open(destination.path().parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return parent && remove_tree(parent.get(), destination.path().filename().native());
}

}  // namespace murder
