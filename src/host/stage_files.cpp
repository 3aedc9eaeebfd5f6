// The files of another program's torrent as a release: each is written out of the payload that
// holds them one after the other. They begin at no block of the disk, so that there is nothing to
// clone; and the payload stays, for that is what is served.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "host/attributes.hpp"
#include "host/beneath.hpp"
#include "host/folder_cache.hpp"
#include "host/layout.hpp"
#include "host/raw_release.hpp"
#include "host/sparse.hpp"
#include "host/stager.hpp"
#include "host/staging_folder.hpp"
#include "host/unpack_plan.hpp"
#include "release/stored_manifest.hpp"

namespace murder {
namespace {

/// Of the file's entry, which has no digest yet.
std::uint64_t offset_of(const std::vector<RawFile>& sorted, const Entry& entry) {
  return std::ranges::lower_bound(sorted, entry.path, {}, &RawFile::path)->offset;
}

class Splitter {
 public:
  Splitter(const Destination& destination, const std::string& tag, Manifest& manifest,
           std::vector<RawFile> files, const std::filesystem::path& payload,
           const StageOptions& options)
      : manifest_(manifest),
        plan_(manifest_),
        files_(std::move(files)),
        payload_(payload),
        from_(open_file(payload, O_RDONLY)),
        owner_(parse_owner(options.owner)),
        pause_(options.pause),
        left_(manifest_.total_file_bytes()) {
    std::ranges::sort(files_, {}, &RawFile::path);
    if (destination.has_release(tag)) return;
    staging_.emplace(destination, tag, owner_);
    folders_.emplace(plan_, staging_->fd());
  }

  void run(const Destination& destination, const std::string& tag) {
    if (staging_) make_folders();
    for (std::size_t i = 0; i < manifest_.entries.size(); ++i)
      if (manifest_.entries[i].type == EntryType::file) take_file(i);
    if (!staging_) {
      is_staged(destination, tag, manifest_);
      return;
    }
    // When the last digest is known, for all mtimes follow from them; folders after what they hold.
    const Attributes attributes(manifest_, owner_);
    for (std::size_t i = manifest_.entries.size(); i-- > 0;) settle(i, attributes);
    if (!attributes.apply_to_root(staging_->fd())) fail(tag, errno);
    staging_->publish(store_manifest(manifest_));
  }

 private:
  [[noreturn]] void fail(std::string_view path, int error_number) {
    staging_->fail("cannot stage", path, left_, error_number);
  }

  int open_parent(std::size_t index) {
    const int fd = folders_->open(plan_.parent_of(index));
    if (fd < 0) fail(manifest_.entries[index].path, errno);
    return fd;
  }

  void make_folders() {
    for (const UnpackPlan::Folder& folder : plan_.folders())
      if (folder.entry != UnpackPlan::none &&
          ::mkdirat(open_parent(folder.entry), plan_.name_of(folder.entry), S_IRWXU) != 0)
        fail(plan_.path_of(folder), errno);
  }

  void take_file(std::size_t index) {
    Entry& entry = manifest_.entries[index];
    UniqueFd to;
    if (staging_) {
      to.reset(::openat(open_parent(index), plan_.name_of(index),
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
      if (!to || ::ftruncate(to.get(), static_cast<off_t>(entry.size)) != 0)
        fail(entry.path, errno);
    }
    entry.sha256 = read_range(from_.get(), payload_, offset_of(files_, entry), entry.size,
                              [&](std::span<const std::uint8_t> part, std::uint64_t offset) {
                                const std::string_view data(
                                    reinterpret_cast<const char*>(part.data()), part.size());
                                if (to && !write_sparse_at(to.get(), data, offset))
                                  fail(entry.path, errno);
                                left_ -= part.size();
                                if (pause_) pause_();
                              });
    // A network filesystem may find its disk full only here.
    if (to && ::close(to.release()) != 0) fail(entry.path, errno);
  }

  void settle(std::size_t index, const Attributes& attributes) {
    const Entry& entry = manifest_.entries[index];
    const UniqueFd fd(::openat(open_parent(index), plan_.name_of(index),
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd || !attributes.apply(fd.get(), entry)) fail(entry.path, errno);
  }

  Manifest& manifest_;
  const UnpackPlan plan_;
  std::vector<RawFile> files_;  ///< sorted by path
  const std::filesystem::path payload_;
  const UniqueFd from_;
  const Owner owner_;
  const std::function<void()> pause_;
  std::optional<StagingFolder> staging_;  ///< absent when the release is there already
  std::optional<FolderCache> folders_;
  std::uint64_t left_;
};

}  // namespace

Manifest manifest_of_files(const std::vector<RawFile>& files) {
  std::set<std::string, std::less<>> folders;
  Manifest manifest;
  manifest.entries.reserve(files.size());
  for (const RawFile& file : files) {
    if (!is_safe_path(file.path))
      throw Error(
          ErrorKind::integrity,
          fmt::format("refused to stage {}: it leads out of the release", printable(file.path)));
    for (auto slash = file.path.find('/'); slash != std::string::npos;
         slash = file.path.find('/', slash + 1))
      folders.insert(file.path.substr(0, slash));
    Entry entry;
    entry.path = file.path;
    entry.mode = file.is_executable ? 0755 : 0644;
    entry.size = file.size;
    manifest.entries.push_back(std::move(entry));
  }
  for (const std::string& path : folders) {
    Entry entry;
    entry.path = path;
    entry.type = EntryType::directory;
    entry.mode = 0755;
    manifest.entries.push_back(std::move(entry));
  }
  std::ranges::sort(manifest.entries, {}, &Entry::path);
  lay_out(manifest);
  return manifest;
}

void stage_files(const Destination& destination, const std::string& tag,
                 const std::vector<RawFile>& files, const std::filesystem::path& payload,
                 const StageOptions& options) {
  layout::require_release_tag(tag);
  Manifest manifest = manifest_of_files(files);
  Splitter(destination, tag, manifest, files, payload, options).run(destination, tag);
}

}  // namespace murder
