#include "host/staging_folder.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "host/beneath.hpp"
#include "host/journal.hpp"
#include "host/layout.hpp"
#include "host/lock.hpp"
#include "host/room.hpp"
#include "host/shared_links.hpp"

namespace murder {
namespace {

bool exists(int folder, const std::string& name) {
  struct stat st {};
  return ::fstatat(folder, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0;
}

}  // namespace

std::optional<Manifest> kept_manifest(const Destination& destination, const std::string& tag) {
  layout::require_release_tag(tag);
  const std::string path = fmt::format("{}/{}", layout::manifests, tag);
  const UniqueFd fd = open_beneath(destination.fd(), path, O_RDONLY);
  if (!fd && errno == ENOENT) return std::nullopt;
  std::string stored;
  if (!fd || !read_all(fd.get(), stored))
    throw_system_error("cannot read", layout::shown(destination, path), errno);
  return decode_manifest(stored, layout::shown(destination, path));
}

bool is_staged(const Destination& destination, const std::string& tag, const Manifest& manifest) {
  layout::require_release_tag(tag);
  const UniqueFd releases = layout::open_folder(destination, layout::releases);
  if (!exists(releases.get(), tag)) return false;
  const std::string path = layout::shown(destination, fmt::format("{}/{}", layout::releases, tag));
  const std::optional<Manifest> kept =
      destination.has_release(tag) ? kept_manifest(destination, tag) : std::nullopt;
  if (!kept)
    throw Error(ErrorKind::usage,
                fmt::format("cannot stage {}: {} is there already and was not staged by murder; "
                            "use another tag or move it away",
                            tag, path));
  // Frames may differ all the same: another zstd makes other bytes of one tree.
  if (kept->content_digest() != manifest.content_digest())
    throw Error(ErrorKind::usage,
                fmt::format("cannot stage {}: {} is there already with other content; a release "
                            "never changes, use another tag",
                            tag, path));
  return true;
}

StagingFolder::StagingFolder(const Destination& destination, std::string tag, const Owner& owner)
    : destination_(destination), tag_(std::move(tag)) {
  layout::require_release_tag(tag_);
  name_ = tag_ + std::string(layout::partial_suffix);
  const std::string path =
      layout::shown(destination, fmt::format("{}/{}", layout::releases, name_));
  releases_ = layout::open_folder(destination, layout::releases);
  if (!remove_tree(releases_.get(), name_)) throw_system_error("cannot remove", path, errno);
  if (::mkdirat(releases_.get(), name_.c_str(), S_IRWXU) != 0)
    throw write_error(destination, "cannot create", path, 0, errno);
  fd_ = open_beneath(releases_.get(), name_, O_RDONLY | O_DIRECTORY);
  if (!fd_) throw_system_error("cannot open", path, errno);
  if (!can_give_to(owner, fd_.get()))
    throw Error(ErrorKind::failed,
                fmt::format("cannot give {} to another owner: {}; run as root or without an owner",
                            tag_, system_reason(errno)));
}

void StagingFolder::publish(std::string_view stored_manifest) {
  const std::string path =
      layout::shown(destination_, fmt::format("{}/{}", layout::releases, tag_));
  // One sync for the whole tree. Delayed allocation can find the disk full as late as here.
  if (::syncfs(fd_.get()) != 0) fail("cannot sync", path, 0, errno);

  const UniqueFd manifests = layout::open_folder(destination_, layout::manifests);
  if (!replace_file(manifests.get(), tag_, stored_manifest, 0600))
    fail("cannot write", layout::shown(destination_, fmt::format("{}/{}", layout::manifests, tag_)),
         stored_manifest.size(), errno);

  // Of a release of this tag that somebody took away.
  forget_links(destination_, tag_);
  const DestinationLock lock(destination_);
  // Where the filesystem cannot refuse an existing name, the tag's lock is what keeps others out.
  int result =
      ::renameat2(releases_.get(), name_.c_str(), releases_.get(), tag_.c_str(), RENAME_NOREPLACE);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS))
    result = ::renameat(releases_.get(), name_.c_str(), releases_.get(), tag_.c_str());
  if (result != 0) fail("cannot rename into place", path, 0, errno);
  if (::fsync(releases_.get()) != 0)
    throw_system_error("cannot sync", layout::shown(destination_, layout::releases), errno);
  append_journal_line(destination_, {now_seconds(), "staged", tag_, ""});
}

void StagingFolder::fail(std::string_view operation, std::string_view object,
                         std::uint64_t needed_bytes, int error_number) {
  const Error error = write_error(destination_, operation, object, needed_bytes, error_number);
  if (is_disk_full(error_number)) {
    fd_.reset();
    remove_tree(releases_.get(), name_);
  }
  throw error;
}

}  // namespace murder
