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
#include "host/sparse.hpp"
#include "host/staging_folder.hpp"
#include "host/unpack_plan.hpp"
#include "release/pack.hpp"

namespace murder {
namespace {

/// Nobody but this process has business in TAG.partial: what it meets there besides its own files
/// (another type, a second one, a symlink, a pipe that nobody reads) was put in its way.
bool is_in_the_way(int error_number) {
  return error_number == EEXIST || error_number == ELOOP || error_number == ENOTDIR ||
         error_number == EISDIR || error_number == EXDEV || error_number == ENXIO;
}

}  // namespace

class Stager::Impl {
 public:
  Impl(const Destination& destination, std::string tag, const Manifest& manifest,
       const Owner& owner, std::function<void()> pause)
      : destination_(destination),
        tag_(std::move(tag)),
        manifest_(manifest),
        plan_(manifest_),
        attributes_(manifest_, owner),
        pause_(std::move(pause)),
        frame_done_(manifest_.frames.size()),
        frames_left_(manifest_.frames.size()) {
    if (is_staged(destination_, tag_, manifest_)) return;
    staging_.emplace(destination_, tag_, owner);
    folders_.emplace(plan_, staging_->fd());
    bytes_left_.reserve(manifest_.entries.size());
    for (const Entry& entry : manifest_.entries) bytes_left_.push_back(entry.size);
    total_left_ = manifest_.total_file_bytes();
    make_folders();
  }

  void unpack(std::size_t index, std::span<const std::uint8_t> stored) {
    if (index >= frame_done_.size() || frame_done_[index])
      throw std::logic_error("Stager::unpack: no such frame, or it was unpacked before");
    require_whole();
    if (staging_) {
      const std::span<const std::uint8_t> raw = decoder_.decode(manifest_.frames[index], stored);
      const std::string_view data(reinterpret_cast<const char*>(raw.data()), raw.size());
      broken_ = true;  // until every part is written: a frame cannot be unpacked again
      for (const UnpackPlan::Part& part : plan_.parts_of(index)) {
        write_part(part, data.substr(part.frame_offset, part.size));
        if (pause_) pause_();
      }
      broken_ = false;
    }
    frame_done_[index] = true;
    --frames_left_;
  }

  void finish(std::string_view stored_manifest) {
    require_whole();
    if (frames_left_ != 0)
      throw Error(ErrorKind::failed,
                  fmt::format("cannot finish {}: {} of its {} frames were not unpacked", tag_,
                              frames_left_, frame_done_.size()));
    broken_ = true;  // a stager finishes once
    if (!staging_) return;
    // Links last: a file that is still written has one name.
    for (std::size_t i = 0; i < manifest_.entries.size(); ++i) make_if_empty_file(i);
    for (std::size_t i = 0; i < manifest_.entries.size(); ++i) make_if_link(i);
    // Folders after all that changes them, the deepest first: their modes may forbid more.
    for (auto folder = plan_.folders().rbegin(); folder != plan_.folders().rend(); ++folder)
      if (folder->entry != UnpackPlan::none) settle_folder(folder->entry);
    if (!attributes_.apply_to_root(staging_->fd())) fail(tag_, errno);
    staging_->publish(stored_manifest);
  }

  std::size_t frame_count() const { return frame_done_.size(); }

 private:
  void require_whole() const {
    if (broken_)
      throw Error(ErrorKind::failed,
                  fmt::format("cannot go on staging {}: it ended or failed before", tag_));
  }

  [[noreturn]] void fail(std::string_view path, int error_number) {
    broken_ = true;
    if (is_in_the_way(error_number))
      throw Error(
          ErrorKind::integrity,
          fmt::format("refused to unpack {}: something else was put in its way while {} was "
                      "staged in {}; find out what writes there",
                      printable(path), tag_, destination_.path().native()));
    staging_->fail("cannot unpack", path, total_left_, error_number);
  }

  int open_folder(std::uint32_t folder, std::string_view for_path) {
    const int fd = folders_->open(folder);
    if (fd < 0) fail(for_path, errno);
    return fd;
  }

  int open_parent(std::size_t index) {
    return open_folder(plan_.parent_of(index), manifest_.entries[index].path);
  }

  void make_folders() {
    for (const UnpackPlan::Folder& folder : plan_.folders()) {
      if (folder.entry == UnpackPlan::none) continue;
      if (::mkdirat(open_parent(folder.entry), plan_.name_of(folder.entry), S_IRWXU) != 0)
        fail(plan_.path_of(folder), errno);
    }
  }

  UniqueFd open_new(std::size_t index) {
    UniqueFd fd(::openat(open_parent(index), plan_.name_of(index),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!fd) fail(manifest_.entries[index].path, errno);
    return fd;
  }

  UniqueFd open_begun(std::size_t index) {
    UniqueFd fd(::openat(open_parent(index), plan_.name_of(index),
                         O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0) fail(manifest_.entries[index].path, errno);
    // A second name would be a way out of the release, or a device.
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1) fail(manifest_.entries[index].path, EEXIST);
    return fd;
  }

  /// The last that is done to a file. A network filesystem may find its disk full only here.
  void settle_file(UniqueFd fd, std::size_t index) {
    const Entry& entry = manifest_.entries[index];
    if (!attributes_.apply(fd.get(), entry)) fail(entry.path, errno);
    if (::close(fd.release()) != 0) fail(entry.path, errno);
  }

  void write_part(const UnpackPlan::Part& part, std::string_view data) {
    const Entry& entry = manifest_.entries[part.entry];
    const bool begun = bytes_left_[part.entry] != entry.size;
    UniqueFd fd = begun ? open_begun(part.entry) : open_new(part.entry);
    if (entry.size >= smallest_sparse_file_bytes) {
      if (!begun && ::ftruncate(fd.get(), static_cast<off_t>(entry.size)) != 0)
        fail(entry.path, errno);
      if (!write_sparse_at(fd.get(), data, part.file_offset)) fail(entry.path, errno);
    } else if (!write_all_at(fd.get(), data, part.file_offset)) {
      fail(entry.path, errno);
    }
    bytes_left_[part.entry] -= part.size;
    total_left_ -= part.size;
    if (bytes_left_[part.entry] == 0) settle_file(std::move(fd), part.entry);
  }

  void make_if_empty_file(std::size_t index) {
    const Entry& entry = manifest_.entries[index];
    if (entry.type == EntryType::file && entry.size == 0) settle_file(open_new(index), index);
  }

  void make_if_link(std::size_t index) {
    const Entry& entry = manifest_.entries[index];
    const char* name = plan_.name_of(index);
    bool made = true;
    if (entry.type == EntryType::hardlink) {
      const std::size_t target = plan_.target_of(index);
      const int from = open_parent(target);
      made = ::linkat(from, plan_.name_of(target), open_parent(index), name, 0) == 0;
    } else if (entry.type == EntryType::symlink) {
      const int parent = open_parent(index);
      made = ::symlinkat(entry.link_target.c_str(), parent, name) == 0 &&
             attributes_.apply_to_symlink(parent, name, entry);
    }
    if (!made) fail(entry.path, errno);
  }

  void settle_folder(std::size_t index) {
    const Entry& entry = manifest_.entries[index];
    const UniqueFd fd(::openat(open_parent(index), plan_.name_of(index),
                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd || !attributes_.apply(fd.get(), entry)) fail(entry.path, errno);
  }

  const Destination& destination_;
  const std::string tag_;
  const Manifest manifest_;
  const UnpackPlan plan_;
  const Attributes attributes_;
  const std::function<void()> pause_;
  std::optional<StagingFolder> staging_;  ///< absent when the release is there already
  std::optional<FolderCache> folders_;
  FrameDecoder decoder_;
  std::vector<bool> frame_done_;
  std::size_t frames_left_;
  std::vector<std::uint64_t> bytes_left_;  ///< by entry: what was not written yet
  std::uint64_t total_left_ = 0;
  bool broken_ = false;  ///< something failed in the middle, or it is finished
};

Stager::Stager(const Destination& destination, std::string tag, const Manifest& manifest,
               const StageOptions& options)
    : impl_(std::make_unique<Impl>(destination, std::move(tag), manifest,
                                   parse_owner(options.owner), options.pause)) {}

Stager::~Stager() = default;

std::size_t Stager::frame_count() const { return impl_->frame_count(); }

void Stager::unpack(std::size_t frame_index, std::span<const std::uint8_t> stored) {
  impl_->unpack(frame_index, stored);
}

void Stager::finish(std::string_view stored_manifest) { impl_->finish(stored_manifest); }

}  // namespace murder
