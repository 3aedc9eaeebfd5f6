#include "host/shared_links.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <fmt/format.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "host/beneath.hpp"
#include "host/layout.hpp"
#include "host/room.hpp"

namespace murder {
namespace {

/// No tag holds "~", so that no manifest has such a name.
std::string record_name(const std::string& tag) { return tag + "~links"; }

struct SharedPath {
  std::string path;  ///< without the trailing "/"
  bool folder = false;
};

SharedPath checked(const std::string& given) {
  SharedPath shared{given, false};
  while (shared.path.ends_with('/')) {
    shared.path.pop_back();
    shared.folder = true;
  }
  if (!is_safe_path(shared.path) || shared.path.find('\n') != std::string::npos)
    throw Error(ErrorKind::usage,
                fmt::format("cannot link the shared path \"{}\": give one below DEST/shared, such "
                            "as \"log\" or \"config/secrets.yml\"",
                            printable(given)));
  return shared;
}

/// "a/b/c" → "a/b" and "c"; "c" → "" and "c".
std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::pair<std::string, std::string>{"", path}
                                    : std::pair{path.substr(0, slash), path.substr(slash + 1)};
}

class Linker {
 public:
  Linker(const Destination& destination, const std::string& tag)
      : destination_(destination),
        shared_name_(layout::shared),
        release_name_(fmt::format("{}/{}", layout::releases, tag)) {
    shared_ = make_folder(destination.fd(), layout::shared, shared_name_);
    release_ = layout::open_folder(destination, release_name_);
  }

  void link(const SharedPath& shared) {
    make_shared(shared);
    const auto [parents, name] = split(shared.path);
    const UniqueFd parent = make_folders(release_.get(), parents, release_name_);
    const std::string shown = layout::shown(destination_, release_name_ + "/" + shared.path);
    const std::string target = shared_link_target(shared.path);
    if (::symlinkat(target.c_str(), parent.get(), name.c_str()) == 0) return;
    if (errno != EEXIST) throw write_error(destination_, "cannot make the link", shown, 0, errno);
    if (is_link_to(parent.get(), name, target)) return;
    if (::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR) != 0)
      throw Error(ErrorKind::failed,
                  fmt::format("cannot link {} to {}: the release ships {} there; leave it out of "
                              "the release, or do not link this path",
                              printable(shown), printable(shared_name_ + "/" + shared.path),
                              errno == ENOTDIR ? "a file" : "a folder that is not empty"));
    if (::symlinkat(target.c_str(), parent.get(), name.c_str()) != 0)
      throw write_error(destination_, "cannot make the link", shown, 0, errno);
  }

 private:
  [[noreturn]] void fail(std::string_view operation, const std::string& path, int error_number) {
    const std::string shown = layout::shown(destination_, path);
    if (error_number == ELOOP || error_number == ENOTDIR)
      throw Error(ErrorKind::failed,
                  fmt::format("{} {}: it is no folder (symlinks are not followed inside the "
                              "destination)",
                              operation, printable(shown)));
    throw write_error(destination_, operation, shown, 0, error_number);
  }

  /// One folder, made if need be and then owned like the one that it is in.
  UniqueFd make_folder(int parent, const std::string& name, const std::string& path) {
    const bool made = ::mkdirat(parent, name.c_str(), 0755) == 0;
    if (!made && errno != EEXIST) fail("cannot create", path, errno);
    UniqueFd folder = open_beneath(parent, name, O_RDONLY | O_DIRECTORY);
    if (!folder) fail("cannot open", path, errno);
    struct stat st {};
    // An ordinary user cannot give folders away and does not need to.
    if (made && ::fstat(parent, &st) == 0)
      static_cast<void>(!::fchown(folder.get(), st.st_uid, st.st_gid));
    return folder;
  }

  UniqueFd make_folders(int root, std::string_view path, std::string shown) {
    UniqueFd folder(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) fail("cannot open", shown, errno);
    while (!path.empty()) {
      const std::string name(path.substr(0, path.find('/')));
      path.remove_prefix(std::min(path.size(), name.size() + 1));
      shown += "/" + name;
      folder = make_folder(folder.get(), name, shown);
    }
    return folder;
  }

  void make_shared(const SharedPath& shared) {
    const auto [parents, name] = split(shared.path);
    const std::string path = shared_name_ + "/" + shared.path;
    const UniqueFd parent = make_folders(shared_.get(), parents, shared_name_);
    struct stat st {};
    if (::fstatat(parent.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT) fail("cannot stat", path, errno);
      make_folder(parent.get(), name, path);
    } else if (shared.folder && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode)) {
      throw Error(
          ErrorKind::failed,
          fmt::format("cannot link {}: it is a file, and a folder is meant (\"{}/\")",
                      printable(layout::shown(destination_, path)), printable(shared.path)));
    }
  }

  static bool is_link_to(int parent, const std::string& name, std::string_view target) {
    std::array<char, PATH_MAX> buffer{};
    const ssize_t length = ::readlinkat(parent, name.c_str(), buffer.data(), buffer.size());
    return length >= 0 &&
           std::string_view(buffer.data(), static_cast<std::size_t>(length)) == target;
  }

  const Destination& destination_;
  const std::string shared_name_;
  const std::string release_name_;
  UniqueFd shared_;
  UniqueFd release_;
};

void record(const Destination& destination, const std::string& tag,
            const std::vector<std::string>& paths) {
  std::string text;
  for (const std::string& path : paths) text += path + "\n";
  const UniqueFd manifests = layout::open_folder(destination, layout::manifests);
  const std::string name = record_name(tag);
  if (!replace_file(manifests.get(), name, text, 0600))
    throw write_error(destination, "cannot write",
                      layout::shown(destination, fmt::format("{}/{}", layout::manifests, name)),
                      text.size(), errno);
}

}  // namespace

std::string shared_link_target(const std::string& path) {
  std::string target;
  // Up from the folder that holds the link: out of the release's own folders, and of releases/TAG.
  const auto depth = std::count(path.begin(), path.end(), '/') + 2;
  for (std::ptrdiff_t i = 0; i < depth; ++i) target += "../";
  return target + layout::shared + "/" + path;
}

std::vector<std::string> linked_paths(const Destination& destination, const std::string& tag) {
  layout::require_release_tag(tag);
  const std::string name = fmt::format("{}/{}", layout::manifests, record_name(tag));
  const UniqueFd fd = open_beneath(destination.fd(), name, O_RDONLY);
  if (!fd && errno == ENOENT) return {};
  std::string text;
  if (!fd || !read_all(fd.get(), text))
    throw_system_error("cannot read", layout::shown(destination, name), errno);
  std::vector<std::string> paths;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    paths.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return paths;
}

void forget_links(const Destination& destination, const std::string& tag) {
  const UniqueFd manifests = layout::open_folder(destination, layout::manifests);
  ::unlinkat(manifests.get(), record_name(tag).c_str(), 0);
}

void link_shared(const Destination& destination, const std::string& tag,
                 const std::vector<std::string>& paths) {
  layout::require_release_tag(tag);
  if (paths.empty()) return;
  std::vector<SharedPath> shared;
  shared.reserve(paths.size());
  for (const std::string& path : paths) shared.push_back(checked(path));
  if (!destination.has_release(tag))
    throw Error(ErrorKind::failed, fmt::format("cannot link into {}: no such release in {}", tag,
                                               destination.path().native()));
  Linker linker(destination, tag);
  std::vector<std::string> all = linked_paths(destination, tag);
  const std::size_t before = all.size();
  for (const SharedPath& path : shared) all.push_back(path.path);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  // Before the links, so that a crash leaves none that nobody knows of.
  if (all.size() != before) record(destination, tag, all);
  for (const SharedPath& path : shared) linker.link(path);
}

}  // namespace murder
