// Does a release still hold what was staged? Every file is read and hashed; nothing is changed, and
// no symlink is followed.
#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "host/beneath.hpp"
#include "host/destination.hpp"
#include "host/folder_cache.hpp"
#include "host/layout.hpp"
#include "host/shared_links.hpp"
#include "host/staging_folder.hpp"
#include "host/unpack_plan.hpp"

namespace murder {
namespace {

std::string_view type_name(mode_t mode) {
  if (S_ISREG(mode)) return "file";
  if (S_ISDIR(mode)) return "folder";
  if (S_ISLNK(mode)) return "symlink";
  return "special file";
}

mode_t type_of(EntryType type) {
  switch (type) {
    case EntryType::directory:
      return S_IFDIR;
    case EntryType::symlink:
      return S_IFLNK;
    case EntryType::file:
    case EntryType::hardlink:
      break;
  }
  return S_IFREG;
}

class Verifier {
 public:
  Verifier(const Manifest& manifest, int tree, const std::vector<std::string>& linked,
           std::stop_token stop)
      : manifest_(manifest),
        plan_(manifest),
        tree_(tree),
        folders_(plan_, tree),
        linked_(linked.begin(), linked.end()),
        stop_(std::move(stop)) {
    for (const Entry& entry : manifest_.entries) known_.emplace(entry.path, entry.type);
  }

  std::vector<Drift> run() {
    for (const std::string& path : linked_) compare_shared(path);
    for (std::size_t i = 0; i < manifest_.entries.size(); ++i) compare(i);
    find_added();
    std::stable_sort(drifts_.begin(), drifts_.end(),
                     [](const Drift& a, const Drift& b) { return a.path < b.path; });
    return std::move(drifts_);
  }

 private:
  void report(Drift::Kind kind, const std::string& path, std::string detail) {
    drifts_.push_back({kind, path, std::move(detail)});
  }

  void go_on() const {
    if (stop_.stop_requested())
      throw Error(ErrorKind::failed, "verifying was given up: nobody waits for it any more");
  }

  /// Where the release has something of its own, that is compared, unless the link took its place.
  void compare_shared(const std::string& path) {
    for (std::size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1))
      linked_parents_.insert(path.substr(0, slash));
    const std::size_t slash = path.rfind('/');
    UniqueFd opened;
    if (slash != std::string::npos)
      opened = open_beneath(tree_, path.substr(0, slash), O_PATH | O_DIRECTORY);
    const int parent = slash == std::string::npos ? tree_ : opened.get();
    const char* const name = path.c_str() + (slash == std::string::npos ? 0 : slash + 1);
    struct stat st {};
    const bool there = parent >= 0 && ::fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    const std::string expected = shared_link_target(path);
    if (there && S_ISLNK(st.st_mode) && target_of(parent, name) == expected)
      links_in_place_.insert(path);
    else if (known_.contains(path))
      return;
    else if (!there)
      report(Drift::Kind::missing, path, fmt::format("a symlink to {}", printable(expected)));
    else
      compare_link(parent, name, path, expected, st);
  }

  void compare(std::size_t index) {
    const Entry& entry = manifest_.entries[index];
    if (links_in_place_.contains(entry.path)) return;
    go_on();
    struct stat st {};
    const int parent = folders_.open(plan_.parent_of(index));
    if (parent < 0 || ::fstatat(parent, plan_.name_of(index), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      report(Drift::Kind::missing, entry.path, system_reason(errno));
      return;
    }
    const mode_t expected = type_of(entry.type);
    if ((st.st_mode & S_IFMT) != expected) {
      report(Drift::Kind::type, entry.path,
             fmt::format("a {}, not a {}", type_name(st.st_mode), type_name(expected)));
      return;
    }
    if (entry.type == EntryType::symlink) {
      compare_link(parent, plan_.name_of(index), entry.path, entry.link_target, st);
      return;
    }
    // Another name of a file has that file's content and mode.
    const Entry& file =
        entry.type == EntryType::hardlink ? manifest_.entries[plan_.target_of(index)] : entry;
    if ((st.st_mode & 07777) != file.mode)
      report(Drift::Kind::mode, entry.path,
             fmt::format("mode {:04o}, not {:04o}", st.st_mode & 07777, file.mode));
    if (entry.type != EntryType::directory) compare_content(parent, index, file, st);
  }

  /// nullopt with errno.
  static std::optional<std::string> target_of(int parent, const char* name) {
    std::array<char, PATH_MAX> buffer{};
    const ssize_t length = ::readlinkat(parent, name, buffer.data(), buffer.size());
    if (length < 0) return std::nullopt;
    return std::string(buffer.data(), static_cast<std::size_t>(length));
  }

  void compare_link(int parent, const char* name, const std::string& path,
                    const std::string& expected, const struct stat& st) {
    if (!S_ISLNK(st.st_mode)) {
      report(Drift::Kind::type, path, fmt::format("a {}, not a symlink", type_name(st.st_mode)));
      return;
    }
    const std::optional<std::string> target = target_of(parent, name);
    if (!target)
      report(Drift::Kind::link, path, "cannot be read: " + system_reason(errno));
    else if (*target != expected)
      report(Drift::Kind::link, path,
             fmt::format("to {}, not {}", printable(*target), printable(expected)));
  }

  void compare_content(int parent, std::size_t index, const Entry& file, const struct stat& st) {
    const std::string& path = manifest_.entries[index].path;
    if (static_cast<std::uint64_t>(st.st_size) != file.size) {
      report(Drift::Kind::content, path, fmt::format("{} bytes, not {}", st.st_size, file.size));
      return;
    }
    const UniqueFd fd(
        ::openat(parent, plan_.name_of(index), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    const std::optional<Sha256Digest> digest = fd ? hash(fd.get()) : std::nullopt;
    if (!digest)
      report(Drift::Kind::content, path, "cannot be read: " + system_reason(errno));
    else if (*digest != file.sha256)
      report(Drift::Kind::content, path,
             fmt::format("SHA-256 {}, not {}", digest->hex(), file.sha256.hex()));
  }

  /// nullopt with errno.
  std::optional<Sha256Digest> hash(int fd) {
    for (;;) {
      const ssize_t n = ::read(fd, buffer_.data(), buffer_.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return std::nullopt;
      if (n == 0) return hasher_.finish();
      go_on();
      hasher_.update({buffer_.data(), static_cast<std::size_t>(n)});
    }
  }

  void find_added() {
    for (std::uint32_t folder = 0; folder < plan_.folders().size(); ++folder) {
      const int fd = folders_.open(folder);
      if (fd < 0) continue;  // missing, which was said
      const std::string prefix =
          folder == UnpackPlan::root ? "" : plan_.path_of(plan_.folders()[folder]) + "/";
      std::vector<FolderItem> items;
      if (!list_folder(fd, items))
        throw_system_error("cannot read", prefix.empty() ? "the release" : prefix, errno);
      for (const FolderItem& item : items) {
        const std::string path = prefix + item.name;
        if (known_.contains(path) || linked_.contains(path)) continue;
        struct stat st {};
        const bool there = ::fstatat(fd, item.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0;
        if (there && S_ISDIR(st.st_mode) && linked_parents_.contains(path)) continue;
        report(Drift::Kind::added, path, there ? fmt::format("a {}", type_name(st.st_mode)) : "");
      }
    }
  }

  const Manifest& manifest_;
  const UnpackPlan plan_;
  const int tree_;
  FolderCache folders_;
  std::unordered_map<std::string_view, EntryType> known_;
  const std::set<std::string> linked_;    ///< shared paths
  std::set<std::string> links_in_place_;  ///< of them
  std::set<std::string> linked_parents_;  ///< folders that may have been made for them
  const std::stop_token stop_;
  Sha256Stream hasher_;
  std::vector<std::uint8_t> buffer_ = std::vector<std::uint8_t>(256u << 10);
  std::vector<Drift> drifts_;
};

}  // namespace

std::vector<Drift> verify_release(const Destination& destination, const std::string& tag,
                                  const std::stop_token& stop) {
  layout::require_release_tag(tag);
  const std::string name = fmt::format("{}/{}", layout::releases, tag);
  if (!destination.has_release(tag))
    throw Error(ErrorKind::failed,
                fmt::format("cannot verify {}: no such release", layout::shown(destination, name)));
  const std::optional<Manifest> manifest = kept_manifest(destination, tag);
  if (!manifest)
    throw Error(ErrorKind::failed,
                fmt::format("cannot verify {}: no manifest was kept of it, so it was not staged by "
                            "murder or {} was cleared",
                            layout::shown(destination, name), layout::own));
  const UniqueFd tree = layout::open_folder(destination, name);
  return Verifier(*manifest, tree.get(), linked_paths(destination, tag), stop).run();
}

}  // namespace murder
