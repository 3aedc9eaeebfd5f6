#include "release/scan.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <map>
#include <memory>
#include <string_view>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.hpp"
#include "release/limits.hpp"

namespace murder {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using DirectoryStream = std::unique_ptr<DIR, CloseDirectory>;

UniqueFd open_source(const std::filesystem::path& source) {
  UniqueFd root(::open(source.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root) return root;
  const int reason = errno;
  if (reason == ENOENT || reason == ENOTDIR)
    throw Error(ErrorKind::usage,
                fmt::format("cannot pack {}: {}", printable(source.native()),
                            reason == ENOENT ? "no such folder" : "it is not a folder"));
  throw_system_error("cannot read", source.native(), reason);
}

std::string_view last_component(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

const char* kind_of(mode_t mode) {
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISBLK(mode) || S_ISCHR(mode)) return "a device";
  return "neither file, folder nor link";
}

class Scanner {
 public:
  Scanner(const std::filesystem::path& source, const ScanOptions& options) : options_(options) {
    tree_.path = source;
    tree_.root = open_source(source);
    for (const std::string& pattern : options.exclude) {
      const std::size_t end = pattern.find_last_not_of('/');
      if (end != std::string::npos) exclude_.push_back(pattern.substr(0, end + 1));
    }
  }

  SourceTree run() && {
    pending_.emplace_back();
    while (!pending_.empty()) {
      const std::string folder = std::move(pending_.back());
      pending_.pop_back();
      read_folder(folder);
    }
    if (tree_.entries.empty())
      throw Error(ErrorKind::usage, fmt::format("cannot pack {}: there is nothing in it to pack",
                                                printable(tree_.path.native())));
    std::ranges::sort(tree_.entries, {},
                      [](const SourceEntry& e) -> const std::string& { return e.entry.path; });
    std::ranges::sort(tree_.lost_bits);
    join_hard_links();
    return std::move(tree_);
  }

 private:
  std::string full(const std::string& path) const { return (tree_.path / path).native(); }

  // Reached from the root by its path, not from its parent's descriptor, so that no depth of the
  // tree runs out of descriptors.
  void read_folder(const std::string& folder) {
    UniqueFd fd(::openat(tree_.root.get(), folder.empty() ? "." : folder.c_str(),
                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) throw_system_error("cannot read", full(folder), errno);
    if (!folder.empty() && has_attributes_to_lose(fd.get())) ++tree_.directories_with_attributes;
    const DirectoryStream stream(::fdopendir(fd.get()));
    if (!stream) throw_system_error("cannot read", full(folder), errno);
    static_cast<void>(fd.release());  // the stream's now
    for (;;) {
      errno = 0;
      const dirent* item = ::readdir(stream.get());  // NOLINT(concurrency-mt-unsafe): own stream
      if (item == nullptr) break;
      const std::string_view name = item->d_name;
      if (name == "." || name == "..") continue;
      if (folder.empty() && !options_.only.empty() && name != options_.only) continue;
      add(::dirfd(stream.get()), item->d_name,
          folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name));
    }
    if (errno != 0) throw_system_error("cannot read", full(folder), errno);
  }

  bool excluded(const std::string& path) const {
    const char* const name = path.c_str() + (path.size() - last_component(path).size());
    if (!options_.include_vcs && std::string_view(name).starts_with(".git")) return true;
    return std::ranges::any_of(exclude_, [&](const std::string& pattern) {
      return ::fnmatch(pattern.c_str(), path.c_str(), 0) == 0 ||
             ::fnmatch(pattern.c_str(), name, 0) == 0;
    });
  }

  void add(int folder_fd, const char* name, std::string path) {
    if (path != options_.only && excluded(path)) return;
    struct stat status {};
    if (::fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
      throw_system_error("cannot read", full(path), errno);
    SourceEntry item;
    item.identity = FileIdentity::of(status);
    if (std::ranges::find(options_.leave_out,
                          std::pair(item.identity.device, item.identity.inode)) !=
        options_.leave_out.end())
      return;
    if (path.size() > max_path_bytes)
      throw Error(ErrorKind::failed, fmt::format("cannot pack {}: its path is longer than {} bytes",
                                                 printable(full(path)), max_path_bytes));
    item.entry.mode = status.st_mode & 0777;
    item.entry.mtime = status.st_mtim.tv_sec;
    if (S_ISLNK(status.st_mode)) {
      item.entry.type = EntryType::symlink;
      item.entry.mode = symlink_mode;
      item.entry.link_target = read_link(folder_fd, name, path);
    } else if (S_ISDIR(status.st_mode)) {
      item.entry.type = EntryType::directory;
      pending_.push_back(path);
    } else if (S_ISREG(status.st_mode)) {
      item.entry.type = EntryType::file;
      item.entry.size = item.identity.size;
      item.sparse = static_cast<std::uint64_t>(status.st_blocks) * 512 < item.entry.size;
      if (status.st_nlink > 1) linked_.push_back(item.identity.inode);
    } else {
      throw Error(ErrorKind::failed,
                  fmt::format("cannot pack {}: {} cannot be part of a release; exclude it",
                              printable(full(path)), kind_of(status.st_mode)));
    }
    if (!S_ISLNK(status.st_mode) && (status.st_mode & (S_ISUID | S_ISGID | S_ISVTX)) != 0)
      tree_.lost_bits.push_back(path);
    item.entry.path = std::move(path);
    tree_.entries.push_back(std::move(item));
  }

  std::string read_link(int folder_fd, const char* name, const std::string& path) const {
    std::array<char, max_link_target_bytes + 1> target{};
    const ssize_t length = ::readlinkat(folder_fd, name, target.data(), target.size());
    if (length < 0) throw_system_error("cannot read", full(path), errno);
    if (length == 0 || static_cast<std::size_t>(length) > max_link_target_bytes)
      throw Error(ErrorKind::failed,
                  fmt::format("cannot pack {}: its target is not 1 to {} bytes long",
                              printable(full(path)), max_link_target_bytes));
    return {target.data(), static_cast<std::size_t>(length)};
  }

  // Of the names that one file has in the tree, the first is the file.
  void join_hard_links() {
    if (linked_.empty()) return;
    std::ranges::sort(linked_);
    std::map<std::pair<std::uint64_t, std::uint64_t>, const Entry*> first;
    for (SourceEntry& item : tree_.entries) {
      if (item.entry.type != EntryType::file ||
          !std::ranges::binary_search(linked_, item.identity.inode))
        continue;
      const auto [place, is_first] =
          first.try_emplace({item.identity.device, item.identity.inode}, &item.entry);
      if (is_first) continue;
      item.entry.type = EntryType::hardlink;
      item.entry.link_target = place->second->path;
      item.entry.mode = place->second->mode;
      item.entry.mtime = place->second->mtime;
      item.entry.size = 0;
    }
  }

  const ScanOptions& options_;
  std::vector<std::string> exclude_;
  SourceTree tree_;
  std::vector<std::string> pending_;   // folders to read; "" is the root
  std::vector<std::uint64_t> linked_;  // inodes of files with more than one name
};

}  // namespace

FileIdentity FileIdentity::of(const struct stat& status) {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = static_cast<std::uint64_t>(status.st_size),
          .modified_s = status.st_mtim.tv_sec,
          .modified_ns = status.st_mtim.tv_nsec,
          .changed_s = status.st_ctim.tv_sec,
          .changed_ns = status.st_ctim.tv_nsec};
}

SourceTree scan_tree(const std::filesystem::path& source, const ScanOptions& options) {
  return Scanner(source, options).run();
}

bool has_attributes_to_lose(int fd) {
  std::array<char, 4096> names{};
  const ssize_t length = ::flistxattr(fd, names.data(), names.size());
  if (length < 0) return errno == ERANGE;  // more of them than the system sets by itself
  std::string_view rest(names.data(), static_cast<std::size_t>(length));
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find('\0'));
    if (!name.starts_with("security.") || name == "security.capability") return true;
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
  }
  return false;
}

}  // namespace murder
