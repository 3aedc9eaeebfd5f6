#include "host/destination.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>

#include "base/error.hpp"
#include "bittorrent/metainfo.hpp"
#include "host/beneath.hpp"
#include "host/layout.hpp"

namespace murder {

namespace layout {

bool is_release_tag(std::string_view tag) {
  return is_valid_tag(tag) && !tag.ends_with(partial_suffix);
}

void require_release_tag(std::string_view tag) {
  if (!is_valid_tag(tag))
    throw Error(ErrorKind::usage,
                fmt::format("bad tag \"{}\": use 1 to 128 of A-Z, a-z, 0-9, \".\", \"_\" and \"-\"",
                            printable(tag)));
  if (tag.ends_with(partial_suffix))
    throw Error(ErrorKind::usage,
                fmt::format("bad tag \"{}\": names that end in \"{}\" are those of releases being "
                            "staged; use another tag",
                            tag, partial_suffix));
}

UniqueFd open_folder(const Destination& destination, const std::string& folder) {
  UniqueFd fd = open_beneath(destination.fd(), folder, O_RDONLY | O_DIRECTORY);
  if (!fd) {
    if (errno == ELOOP || errno == ENOTDIR)
      throw Error(ErrorKind::failed,
                  fmt::format("cannot open {}: not a folder (symlinks are not followed inside the "
                              "destination); put a folder or a bind mount there",
                              shown(destination, folder)));
    throw_system_error("cannot open", shown(destination, folder), errno);
  }
  return fd;
}

std::string shown(const Destination& destination, std::string_view below) {
  return fmt::format("{}/{}", destination.path().native(), below);
}

}  // namespace layout

namespace {

std::filesystem::path checked_path(const std::filesystem::path& dest) {
  if (dest.empty())
    throw Error(ErrorKind::usage, "the destination is empty; name a folder such as /srv/app");
  std::filesystem::path path = std::filesystem::absolute(dest).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // "/srv/app/" is "/srv/app"
  return path;
}

[[noreturn]] void refuse_root() {
  throw Error(ErrorKind::usage,
              "the destination is \"/\"; name a folder of its own, such as /srv/app");
}

bool is_root_folder(int fd) {
  struct stat here {};
  struct stat root {};
  return ::fstat(fd, &here) == 0 && ::stat("/", &root) == 0 && here.st_dev == root.st_dev &&
         here.st_ino == root.st_ino;
}

/// .murder is for its owner alone: packs hold every file of a release, whatever its mode.
void make_layout(const Destination& destination) {
  const struct {
    const char* path;
    mode_t mode;
  } folders[] = {{layout::releases, 0755},
                 {layout::own, 0700},
                 {layout::packs, 0700},
                 {layout::manifests, 0700},
                 {layout::transfers, 0700}};
  for (const auto& folder : folders) {
    const std::string path(folder.path);
    const std::size_t slash = path.find('/');
    const bool nested = slash != std::string::npos;
    const UniqueFd parent =
        nested ? layout::open_folder(destination, path.substr(0, slash)) : UniqueFd();
    if (::mkdirat(nested ? parent.get() : destination.fd(), path.c_str() + (nested ? slash + 1 : 0),
                  folder.mode) != 0 &&
        errno != EEXIST)
      throw_system_error("cannot create", layout::shown(destination, path), errno);
    const UniqueFd made = layout::open_folder(destination, path);
    if (::faccessat(made.get(), ".", W_OK | X_OK, AT_EACCESS) != 0)
      throw_system_error("cannot write", layout::shown(destination, path), errno);
  }
}

}  // namespace

Destination Destination::open(const std::filesystem::path& dest, Mode mode) {
  Destination destination;
  destination.path_ = checked_path(dest);
  if (destination.path_ == destination.path_.root_path()) refuse_root();
  if (mode == Mode::create) {
    std::error_code error;
    std::filesystem::create_directories(destination.path_, error);
    if (error) throw_system_error("cannot create", destination.path_.native(), error.value());
  }
  // The way to DEST is the user's and may lead through symlinks; what is below may not.
  destination.fd_ = open_file(destination.path_, O_RDONLY | O_DIRECTORY);
  if (is_root_folder(destination.fd())) refuse_root();
  if (mode == Mode::create) {
    make_layout(destination);
  } else {
    struct stat st {};
    if (::fstatat(destination.fd(), layout::own, &st, AT_SYMLINK_NOFOLLOW) != 0)
      throw Error(ErrorKind::failed,
                  fmt::format("cannot use {}: no release was ever staged there (it has no {} "
                              "folder); check the path",
                              destination.path_.native(), layout::own));
  }
  return destination;
}

std::filesystem::path Destination::pack_path(const std::string& tag) const {
  return path_ / layout::packs / (tag + ".tar.zst");
}

std::filesystem::path Destination::partial_pack_path(const std::string& tag) const {
  return path_ / layout::packs / (tag + ".tar.zst.partial");
}

std::filesystem::path Destination::metainfo_path(const std::string& tag) const {
  return path_ / layout::packs / (tag + ".torrent");
}

std::filesystem::path Destination::manifest_path(const std::string& tag) const {
  return path_ / layout::manifests / tag;
}

bool Destination::has_release(const std::string& tag) const {
  if (!layout::is_release_tag(tag)) return false;
  return static_cast<bool>(
      open_beneath(fd(), fmt::format("{}/{}", layout::releases, tag), O_PATH | O_DIRECTORY));
}

std::optional<std::string> Destination::current_tag() const {
  std::string target(PATH_MAX, '\0');
  const ssize_t length = ::readlinkat(fd(), layout::current, target.data(), target.size());
  if (length < 0) {
    if (errno == ENOENT || errno == EINVAL) return std::nullopt;  // nothing, or no symlink
    throw_system_error("cannot read", layout::shown(*this, layout::current), errno);
  }
  target.resize(static_cast<std::size_t>(length));
  // Relative as murder makes it, or absolute as Capistrano does.
  const std::string relative = fmt::format("{}/", layout::releases);
  const std::string absolute = layout::shown(*this, relative);
  for (const std::string_view prefix : {std::string_view(relative), std::string_view(absolute)}) {
    if (!std::string_view(target).starts_with(prefix)) continue;
    std::string tag = target.substr(prefix.size());
    if (layout::is_release_tag(tag)) return tag;
  }
  return std::nullopt;
}

std::vector<Destination::Release> Destination::releases() const {
  const UniqueFd folder = layout::open_folder(*this, layout::releases);
  std::vector<FolderItem> items;
  if (!list_folder(folder.get(), items))
    throw_system_error("cannot read", layout::shown(*this, layout::releases), errno);

  struct Staged {
    std::int64_t at = 0;
    std::ptrdiff_t order = -1;  // in the journal: two releases may be staged within one second
  };
  std::map<std::string, Staged> journalled;
  std::ptrdiff_t order = 0;
  for (const JournalEntry& entry : read_journal(*this)) {
    if (entry.action == "staged") journalled[entry.tag] = {entry.at, order};
    ++order;
  }

  const std::optional<std::string> live = current_tag();
  std::vector<std::pair<Staged, Release>> found;
  for (const FolderItem& item : items) {
    struct stat st {};
    if (::fstatat(folder.get(), item.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(st.st_mode))
      continue;
    Release release;
    release.tag = item.name;
    if (release.tag.ends_with(layout::partial_suffix)) {
      release.partial = true;
      release.tag.resize(release.tag.size() - layout::partial_suffix.size());
    }
    if (!layout::is_release_tag(release.tag)) continue;
    // Without a line in the journal, what the folder itself tells: when it was renamed.
    Staged staged{st.st_ctim.tv_sec, -1};
    const auto line = journalled.find(release.tag);
    if (line != journalled.end() && !release.partial) staged = line->second;
    release.staged_at = staged.at;
    release.live = !release.partial && live == release.tag;
    found.emplace_back(staged, std::move(release));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    if (a.first.at != b.first.at) return a.first.at > b.first.at;
    if (a.first.order != b.first.order) return a.first.order > b.first.order;
    return a.second.tag > b.second.tag;
  });
  std::vector<Release> releases;
  releases.reserve(found.size());
  for (auto& [staged, release] : found) releases.push_back(std::move(release));
  return releases;
}

std::uint64_t Destination::free_bytes() const {
  struct statvfs st {};
  if (::fstatvfs(fd(), &st) != 0) throw_system_error("cannot stat", path_.native(), errno);
  return std::uint64_t{st.f_bavail} * st.f_frsize;
}

}  // namespace murder
