#include "node/payload_files.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <set>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.hpp"
#include "host/beneath.hpp"
#include "host/room.hpp"

namespace murder::node {
namespace {

namespace fs = std::filesystem;

/// Calls part(file's index, offset in it, where in the bytes, how many) for each file that has some
/// of `length` bytes from `offset` on; false ends it.
template <class OnPart>
bool for_each_part(const std::vector<TorrentFile>& files, std::size_t first, std::uint64_t offset,
                   std::size_t length, OnPart on_part) {
  std::size_t done = 0;
  for (std::size_t i = first; done < length && i < files.size(); ++i) {
    if (files[i].length == 0) continue;
    const std::uint64_t in_file = offset + done - files[i].offset;
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(length - done, files[i].length - in_file));
    if (!on_part(i, in_file, done, count)) return false;
    done += count;
  }
  return done == length;
}

[[noreturn]] void fail_to_write(int folder, const fs::path& path, int error_number) {
  struct statvfs disk {};
  if (!is_disk_full(error_number) || ::fstatvfs(folder, &disk) != 0)
    throw_system_error("cannot write", path.native(), error_number);
  throw Error(ErrorKind::failed,
              fmt::format("cannot write {}: {} ({} free); make room and run the same command again",
                          printable(path.native()), system_reason(error_number),
                          format_bytes(std::uint64_t{disk.f_bavail} * disk.f_frsize)));
}

}  // namespace

PayloadFiles::PayloadFiles(const Metainfo& metainfo, const fs::path& folder)
    : metainfo_(metainfo),
      folder_(folder),
      writes_(false),
      fd_(open_file(folder, O_RDONLY | O_DIRECTORY)) {
  for (const TorrentFile& file : metainfo.files)
    if (!file.is_padding) check(file);
}

PayloadFiles::PayloadFiles(const Metainfo& metainfo, const fs::path& folder, Allocation allocation)
    : metainfo_(metainfo),
      folder_(folder),
      writes_(true),
      fd_(open_file(folder, O_RDONLY | O_DIRECTORY)) {
  for (std::size_t i = 0; i < metainfo.files.size(); ++i)
    if (!metainfo.files[i].is_padding) make(i, allocation);
}

void PayloadFiles::check(const TorrentFile& file) const {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorKind::integrity,
                fmt::format("{} is not what the torrent describes: {} {}",
                            printable(folder_.native()), printable(file.path, 400), what));
  };
  struct stat st {};
  if (::fstatat(fd_.get(), file.path.c_str(), &st, 0) != 0) {
    if (errno != ENOENT && errno != ENOTDIR)
      throw_system_error("cannot look at", path_of(file).native(), errno);
    refuse("is missing");
  }
  if (!S_ISREG(st.st_mode)) refuse("is no regular file");
  if (static_cast<std::uint64_t>(st.st_size) != file.length)
    refuse(fmt::format("has {} bytes, not {}", st.st_size, file.length));
}

/// With the folders that it lies in.
UniqueFd PayloadFiles::open_new(const TorrentFile& file) const {
  const unsigned mode = file.is_executable ? 0777 : 0666;
  for (std::size_t slash = 0;;) {
    UniqueFd fd = open_beneath(fd_.get(), file.path, O_RDWR | O_CREAT | O_NONBLOCK, mode);
    if (fd || errno != ENOENT) return fd;
    slash = file.path.find('/', slash + 1);
    if (slash == std::string::npos) return fd;
    // Each name below a folder that was reached without a symlink.
    const std::string folder = file.path.substr(0, slash);
    const auto before = folder.rfind('/');
    const UniqueFd parent =
        before == std::string::npos
            ? UniqueFd(::dup(fd_.get()))
            : open_beneath(fd_.get(), folder.substr(0, before), O_PATH | O_DIRECTORY);
    const std::string name = before == std::string::npos ? folder : folder.substr(before + 1);
    if (!parent || (::mkdirat(parent.get(), name.c_str(), 0777) != 0 && errno != EEXIST)) return {};
  }
}

void PayloadFiles::make(std::size_t index, Allocation allocation) {
  const TorrentFile& file = metainfo_.files[index];
  const UniqueFd fd = open_new(file);
  struct stat st {};
  if (!fd || ::fstat(fd.get(), &st) != 0) fail_to_write(fd_.get(), path_of(file), errno);
  if (!S_ISREG(st.st_mode))
    throw Error(ErrorKind::failed, fmt::format("cannot write {}: no regular file: move it away",
                                               printable(path_of(file).native())));
  const auto length = static_cast<off_t>(file.length);
  if (allocation == Allocation::full && length > 0 && ::fallocate(fd.get(), 0, 0, length) != 0 &&
      errno != EOPNOTSUPP)
    fail_to_write(fd_.get(), path_of(file), errno);
  const bool sized = allocation != Allocation::none || st.st_size > length;
  if (sized && ::ftruncate(fd.get(), length) != 0)
    throw_system_error("cannot size", path_of(file).native(), errno);
}

std::shared_ptr<const UniqueFd> PayloadFiles::open(std::size_t index) {
  const std::lock_guard lock(mutex_);
  ++clock_;
  Slot* oldest = open_.data();
  for (Slot& slot : open_) {
    if (slot.fd && slot.file == index) {
      slot.used = clock_;
      return slot.fd;
    }
    if (slot.used < oldest->used) oldest = &slot;
  }
  const TorrentFile& file = metainfo_.files[index];
  UniqueFd fd =
      writes_ ? open_beneath(fd_.get(), file.path, O_RDWR)
              : UniqueFd(::openat(fd_.get(), file.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) throw_system_error("cannot open", path_of(file).native(), errno);
  *oldest = {index, clock_, std::make_shared<const UniqueFd>(std::move(fd))};
  return oldest->fd;
}

std::size_t PayloadFiles::index_at(std::uint64_t offset) const {
  const auto after = std::ranges::upper_bound(metainfo_.files, offset, {}, &TorrentFile::offset);
  return static_cast<std::size_t>(after - metainfo_.files.begin()) - 1;
}

bool PayloadFiles::read(std::span<std::uint8_t> out, std::uint64_t offset) {
  return for_each_part(
      metainfo_.files, index_at(offset), offset, out.size(),
      [&](std::size_t index, std::uint64_t at, std::size_t begin, std::size_t count) {
        const auto part = out.subspan(begin, count);
        const TorrentFile& file = metainfo_.files[index];
        if (!file.is_padding) return read_exactly_at(open(index)->get(), part, at, path_of(file));
        std::ranges::fill(part, std::uint8_t{0});
        return true;
      });
}

void PayloadFiles::write(std::string_view data, std::uint64_t offset) {
  for_each_part(
      metainfo_.files, index_at(offset), offset, data.size(),
      [&](std::size_t index, std::uint64_t at, std::size_t begin, std::size_t count) {
        const TorrentFile& file = metainfo_.files[index];
        if (!file.is_padding && !write_all_at(open(index)->get(), data.substr(begin, count), at))
          fail_to_write(fd_.get(), path_of(file), errno);
        return true;
      });
}

void PayloadFiles::sync() {
  if (::syncfs(fd_.get()) != 0) throw_system_error("cannot sync", folder_.native(), errno);
}

std::optional<PayloadFiles::Place> PayloadFiles::place_in_one(std::uint64_t offset,
                                                              std::uint64_t length) {
  const std::size_t index = index_at(offset);
  const TorrentFile& file = metainfo_.files[index];
  if (file.is_padding || offset + length > file.offset + file.length) return std::nullopt;
  return Place{open(index), offset - file.offset};
}

std::optional<fs::path> stranger_among(const Metainfo& metainfo, const fs::path& folder) {
  std::set<std::string, std::less<>> known;
  for (const TorrentFile& file : metainfo.files) {
    if (file.is_padding) continue;
    for (auto slash = file.path.find('/'); slash != std::string::npos;
         slash = file.path.find('/', slash + 1))
      known.insert(file.path.substr(0, slash));
    known.insert(file.path);
  }
  for (const auto& item : fs::recursive_directory_iterator(folder))
    if (!known.contains(item.path().lexically_relative(folder).native())) return item.path();
  return std::nullopt;
}

}  // namespace murder::node
