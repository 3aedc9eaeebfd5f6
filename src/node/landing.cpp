#include "node/landing.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.hpp"
#include "host/attributes.hpp"
#include "host/beneath.hpp"
#include "host/layout.hpp"
#include "host/stager.hpp"

namespace murder::node {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ec;
  return fs::exists(path, ec);
}

std::uint64_t allocated_bytes(const fs::path& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 ? static_cast<std::uint64_t>(st.st_blocks) * 512 : 0;
}

void rename_file(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    throw_system_error("cannot rename to", to.native(), errno);
}

/// False when something else lies there.
bool holds_all(const Metainfo& metainfo, const fs::path& path) {
  try {
    const Payload payload(metainfo, path, Payload::Access::read);
    return find_pieces(metainfo, payload).all();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::integrity) throw;
    return false;
  }
}

/// POSIX record locks, because they tell whose they are.
void lock_file(int fd, const fs::path& path) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd, F_SETLK, &lock) == 0) return;
  if (errno != EACCES && errno != EAGAIN) throw_system_error("cannot lock", path.native(), errno);
  ::fcntl(fd, F_GETLK, &lock);
  throw Error(ErrorKind::failed,
              fmt::format("{} is being fetched by process {}; wait for it or end it",
                          printable(path.native()), lock.l_pid));
}

/// Those are not to be had on folders.
void lock_folder(int fd, const fs::path& path) {
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return;
  if (errno != EWOULDBLOCK) throw_system_error("cannot lock", path.native(), errno);
  throw Error(ErrorKind::failed,
              fmt::format("{} is being fetched by another process; wait for it or end it",
                          printable(path.native())));
}

void check_room_for(const fs::path& what, int fd, std::uint64_t needed) {
  struct statvfs disk {};
  if (::fstatvfs(fd, &disk) != 0) return;
  const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (needed > free)
    throw Error(ErrorKind::failed,
                fmt::format("no room for {}: it needs {}, {} free", printable(what.native()),
                            format_bytes(needed), format_bytes(free)));
}

}  // namespace

std::unique_ptr<Landing> Landing::prepare(const Metainfo& metainfo, const PeerOptions& options) {
  std::unique_ptr<Landing> landing(new Landing(metainfo, options));
  parse_owner(options.owner);  // refused now, not when everything has been fetched
  if (options.file_only)
    landing->prepare_file();
  else
    landing->prepare_release();
  return landing;
}

void Landing::prepare_release() {
  const std::string& tag = metainfo_.tag();
  if (!layout::is_release_tag(tag))
    throw Error(
        ErrorKind::usage,
        fmt::format("'{}' cannot be the name of a release; --file-only fetches the {} itself",
                    printable(tag), metainfo_.is_tree() ? "folder" : "file"));
  destination_.emplace(Destination::open(options_.destination, Destination::Mode::create));
  lock_.emplace(*destination_, tag);
  remove_half_staged();

  const fs::path pack = destination_->pack_path(tag);
  const fs::path partial = destination_->partial_pack_path(tag);
  const fs::path torrent = destination_->metainfo_path(tag);
  const bool same =
      is_there(torrent) &&
      parse_metainfo(read_file(torrent), torrent.string()).info_hash == metainfo_.info_hash;
  if (destination_->has_release(tag)) {
    const fs::path manifest = destination_->manifest_path(tag);
    const bool same_manifest = is_pack() && is_there(manifest) &&
                               sha256(read_file(manifest)) == metainfo_.release->manifest->sha256;
    if (!same && !same_manifest)
      throw Error(ErrorKind::usage,
                  fmt::format("{} exists with other bytes: give the new release another tag, or "
                              "remove the old one first",
                              (destination_->path() / "releases" / tag).string()));
    already_staged_ = true;
  }
  if (!same) {
    // A pack of other bytes under this tag never became a release.
    std::error_code ec;
    fs::remove(pack, ec);
    fs::remove(partial, ec);
    write_file_atomically(torrent, encode_metainfo(metainfo_));
  }
  final_path_ = pack;
  final_ = is_there(pack) && fs::file_size(pack) == metainfo_.length;
  path_ = final_ ? pack : partial;
  resumes_ = final_ || is_there(partial);
  const std::uint64_t tree_bytes =
      metainfo_.is_tree() ? tree_bytes_on_disk(manifest_of_files(raw_files())) : 0;
  check_room(*destination_, metainfo_.length, already_staged_ ? 0 : tree_bytes,
             allocated_bytes(path_));
}

/// What an earlier run had unpacked is not gone on with; its room is needed.
void Landing::remove_half_staged() {
  const UniqueFd releases = layout::open_folder(*destination_, layout::releases);
  const std::string name = metainfo_.tag() + std::string(layout::partial_suffix);
  if (!remove_tree(releases.get(), name))
    throw_system_error("cannot remove",
                       layout::shown(*destination_, fmt::format("{}/{}", layout::releases, name)),
                       errno);
}

void Landing::prepare_file() {
  const fs::path folder = options_.destination;
  if (folder.empty()) throw Error(ErrorKind::usage, "--to: a folder is needed");
  std::error_code ec;
  if (fs::equivalent(folder, "/", ec))
    throw Error(ErrorKind::usage,
                "--to: '/' is no place for it: name a folder such as /srv/images");
  fs::create_directories(folder, ec);
  if (ec)
    throw Error(ErrorKind::failed,
                fmt::format("cannot make {}: {}", printable(folder.native()), ec.message()));
  final_path_ = folder / metainfo_.name;
  path_ = folder / (metainfo_.name + ".partial");
  final_ = is_there(final_path_);
  if (final_) {
    // Whole and the same, or in the way.
    if (fs::is_directory(final_path_) != metainfo_.is_tree() || !holds_all(metainfo_, final_path_))
      throw Error(ErrorKind::usage, fmt::format("{} exists with other bytes: move it away first",
                                                printable(final_path_.native())));
    path_ = final_path_;
    resumes_ = true;
  } else if (metainfo_.is_tree()) {
    take_folder();
  } else {
    take_file();
  }
}

void Landing::take_file() {
  resumes_ = is_there(path_);
  file_lock_ = open_file(path_, O_RDWR | O_CREAT);
  lock_file(file_lock_.get(), path_);
  const std::uint64_t here = allocated_bytes(path_);
  check_room_for(final_path_, file_lock_.get(),
                 metainfo_.length > here ? metainfo_.length - here : 0);
}

/// The files are written where they belong in it, and the folder is renamed when it is whole.
void Landing::take_folder() {
  if (::mkdir(path_.c_str(), 0777) != 0) {
    if (errno != EEXIST) throw_system_error("cannot make", path_.native(), errno);
    resumes_ = true;
  }
  file_lock_ = open_file(path_, O_RDONLY | O_DIRECTORY);
  lock_folder(file_lock_.get(), path_);
  if (const auto stranger = stranger_among(metainfo_, path_))
    throw Error(ErrorKind::usage,
                fmt::format("{} is not of this torrent: move it away, or all of {}",
                            printable(stranger->native()), printable(path_.native())));
  std::uint64_t needed = 0;
  for (const TorrentFile& file : metainfo_.files) {
    if (file.is_padding) continue;
    const std::uint64_t here = allocated_bytes(path_ / file.path);
    needed += file.length > here ? file.length - here : 0;
  }
  check_room_for(final_path_, file_lock_.get(), needed);
}

void Landing::payload_complete(Payload& payload) {
  if (final_) return;
  if (!is_release()) payload.sync();
  rename_file(path_, final_path_);
  path_ = final_path_;
  payload.moved_to(final_path_);
  final_ = true;
}

std::vector<RawFile> Landing::raw_files() const {
  std::vector<RawFile> files;
  files.reserve(metainfo_.files.size());
  for (const TorrentFile& file : metainfo_.files)
    if (!file.is_padding)
      files.push_back({file.path, file.offset, file.length, file.is_executable});
  return files;
}

void Landing::stage(const std::function<void()>& pause) const {
  const StageOptions options{options_.owner, pause};
  if (metainfo_.is_tree())
    stage_files(*destination_, metainfo_.tag(), raw_files(), path_, options);
  else
    stage_file(*destination_, metainfo_.tag(), metainfo_.name, path_, options);
}

void Landing::unlock() {
  lock_.reset();
  file_lock_.reset();
}

}  // namespace murder::node
