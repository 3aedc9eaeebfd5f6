// Unpacking. The manifest says where each byte of a frame belongs, so frames may come in any order;
// the folders are made first, a file when its first byte comes, links when all are there. A file
// that lies in one frame, as nearly all do, costs openat, pwrite, fchmod, futimens, close. No file
// is kept open between frames: one that spans frames is opened anew, once per 8 MiB.
#include "host/stager.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "base/error.hpp"
#include "host/attributes.hpp"
#include "host/beneath.hpp"
#include "host/folder_cache.hpp"
#include "host/layout.hpp"
#include "host/sparse.hpp"
#include "host/staging_folder.hpp"
#include "host/unpack_plan.hpp"
#include "release/pack.hpp"

namespace murder {

struct Stager::Impl {
 public:
  Impl(const Destination& dest, std::string release_tag, const Manifest& release_manifest,
       const StageOptions& options)
      : destination(dest),
        tag(std::move(release_tag)),
        manifest(release_manifest),
        plan(manifest),
        attributes(manifest, parse_owner(options.owner)),
        frame_done(manifest.frames.size()),
        frames_left(manifest.frames.size()) {
    if (is_staged(destination, tag, manifest)) return;
    staging.emplace(destination, tag);
    folders.emplace(plan, staging->fd());
    if (!attributes.try_owner(staging->fd()))
      throw Error(ErrorKind::failed,
                  fmt::format("cannot give {} to owner {}: {}; run as root or without an owner",
                              tag, options.owner, system_reason(errno)));
    bytes_left.reserve(manifest.entries.size());
    for (const Entry& entry : manifest.entries) bytes_left.push_back(entry.size);
    total_left = manifest.total_file_bytes();
    make_folders();
  }

  void unpack(std::size_t index, std::span<const std::uint8_t> stored) {
    if (index >= frame_done.size() || frame_done[index])
      throw std::logic_error("Stager::unpack: no such frame, or it was unpacked before");
    require_whole();
    if (staging) {
      const std::span<const std::uint8_t> raw = decoder.decode(manifest.frames[index], stored);
      const std::string_view data(reinterpret_cast<const char*>(raw.data()), raw.size());
      broken = true;  // until every part is written: a frame cannot be unpacked again
      for (const UnpackPlan::Part& part : plan.parts_of(index))
        write_part(part, data.substr(part.frame_offset, part.size));
      broken = false;
    }
    frame_done[index] = true;
    --frames_left;
  }

  void finish(std::string_view stored_manifest) {
    require_whole();
    if (frames_left != 0)
      throw Error(ErrorKind::failed,
                  fmt::format("cannot finish {}: {} of its {} frames were not unpacked", tag,
                              frames_left, frame_done.size()));
    broken = true;  // a stager finishes once
    if (!staging) return;
    // Links last: a file that is still written has one name.
    for (std::size_t i = 0; i < manifest.entries.size(); ++i) make_if_empty_file(i);
    for (std::size_t i = 0; i < manifest.entries.size(); ++i) make_if_link(i);
    // Folders after all that changes them, the deepest first: their modes may forbid more.
    for (auto folder = plan.folders().rbegin(); folder != plan.folders().rend(); ++folder)
      if (folder->entry != UnpackPlan::none) settle_folder(folder->entry);
    if (!attributes.apply_to_root(staging->fd())) fail(tag, errno);
    staging->publish(stored_manifest);
  }

  std::size_t frame_count() const { return frame_done.size(); }

 private:
  void require_whole() const {
    if (broken)
      throw Error(ErrorKind::failed,
                  fmt::format("cannot go on staging {}: it ended or failed before", tag));
  }

  [[noreturn]] void fail(std::string_view path, int error_number) {
    broken = true;
    // Nobody but this process has business in TAG.partial: what is in the way was put there.
    if (error_number == EEXIST || error_number == ELOOP || error_number == ENOTDIR ||
        error_number == EXDEV)
      throw Error(
          ErrorKind::integrity,
          fmt::format("refused to unpack {}: something else was put in its way while {} was "
                      "staged in {}; find out what writes there",
                      printable(path), tag, destination.path().native()));
    staging->fail("cannot unpack", path, total_left, error_number);
  }

  int open_folder(std::uint32_t folder, std::string_view for_path) {
    const int fd = folders->open(folder);
    if (fd < 0) fail(for_path, errno);
    return fd;
  }

  int open_parent(std::size_t index) {
    return open_folder(plan.parent_of(index), manifest.entries[index].path);
  }

  void make_folders() {
    for (const UnpackPlan::Folder& folder : plan.folders()) {
      if (folder.entry == UnpackPlan::none) continue;
      if (::mkdirat(open_parent(folder.entry), plan.name_of(folder.entry), S_IRWXU) != 0)
        fail(plan.path_of(folder), errno);
    }
  }

  UniqueFd open_new(std::size_t index) {
    UniqueFd fd(::openat(open_parent(index), plan.name_of(index),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!fd) fail(manifest.entries[index].path, errno);
    return fd;
  }

  UniqueFd open_begun(std::size_t index) {
    UniqueFd fd(::openat(open_parent(index), plan.name_of(index),
                         O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0) fail(manifest.entries[index].path, errno);
    // A second name would be a way out of the release, or a device.
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1) fail(manifest.entries[index].path, EEXIST);
    return fd;
  }

  /// The last that is done to a file. A network filesystem may find its disk full only here.
  void settle_file(UniqueFd fd, std::size_t index) {
    const Entry& entry = manifest.entries[index];
    if (!attributes.apply(fd.get(), entry)) fail(entry.path, errno);
    if (::close(fd.release()) != 0) fail(entry.path, errno);
  }

  void write_part(const UnpackPlan::Part& part, std::string_view data) {
    const Entry& entry = manifest.entries[part.entry];
    const bool begun = bytes_left[part.entry] != entry.size;
    UniqueFd fd = begun ? open_begun(part.entry) : open_new(part.entry);
    if (entry.size >= smallest_sparse_file_bytes) {
      if (!begun && ::ftruncate(fd.get(), static_cast<off_t>(entry.size)) != 0)
        fail(entry.path, errno);
      if (!write_sparse_at(fd.get(), data, part.file_offset)) fail(entry.path, errno);
    } else if (!write_all_at(fd.get(), data, part.file_offset)) {
      fail(entry.path, errno);
    }
    bytes_left[part.entry] -= part.size;
    total_left -= part.size;
    if (bytes_left[part.entry] == 0) settle_file(std::move(fd), part.entry);
  }

  void make_if_empty_file(std::size_t index) {
    const Entry& entry = manifest.entries[index];
    if (entry.type == EntryType::file && entry.size == 0) settle_file(open_new(index), index);
  }

  void make_if_link(std::size_t index) {
    const Entry& entry = manifest.entries[index];
    const char* name = plan.name_of(index);
    bool made = true;
    if (entry.type == EntryType::hardlink) {
      const std::size_t target = plan.target_of(index);
      const int from = open_parent(target);
      made = ::linkat(from, plan.name_of(target), open_parent(index), name, 0) == 0;
    } else if (entry.type == EntryType::symlink) {
      const int parent = open_parent(index);
      made = ::symlinkat(entry.link_target.c_str(), parent, name) == 0 &&
             attributes.apply_to_symlink(parent, name, entry);
    }
    if (!made) fail(entry.path, errno);
  }

  void settle_folder(std::size_t index) {
    const Entry& entry = manifest.entries[index];
    const UniqueFd fd(::openat(open_parent(index), plan.name_of(index),
                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd || !attributes.apply(fd.get(), entry)) fail(entry.path, errno);
  }

  const Destination& destination;
  const std::string tag;
  const Manifest manifest;
  const UnpackPlan plan;
  const Attributes attributes;
  std::optional<StagingFolder> staging;  ///< absent when the release is there already
  std::optional<FolderCache> folders;
  FrameDecoder decoder;
  std::vector<bool> frame_done;
  std::size_t frames_left;
  std::vector<std::uint64_t> bytes_left;  ///< by entry: what was not written yet
  std::uint64_t total_left = 0;
  bool broken = false;  ///< something failed in the middle, or it is finished
};

Stager::Stager(const Destination& destination, std::string tag, const Manifest& manifest,
               StageOptions options)
    : impl_(std::make_unique<Impl>(destination, std::move(tag), manifest, options)) {}

Stager::~Stager() = default;

std::size_t Stager::frame_count() const { return impl_->frame_count(); }

void Stager::unpack(std::size_t frame_index, std::span<const std::uint8_t> stored) {
  impl_->unpack(frame_index, stored);
}

void Stager::finish(std::string_view stored_manifest) { impl_->finish(stored_manifest); }

}  // namespace murder
