#include "release/tar_stream.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "release/tar.hpp"

namespace murder {
namespace {

[[noreturn]] void throw_changed(const std::filesystem::path& path) {
  throw Error(ErrorKind::failed,
              fmt::format("cannot pack {}: it changed while it was read; try again when nothing "
                          "writes to it",
                          printable(path.native())));
}

// The bytes of `out` that lie in [begin, end) of the stream, when `out` begins at `offset`.
std::span<std::uint8_t> part(std::span<std::uint8_t> out, std::uint64_t offset, std::uint64_t begin,
                             std::uint64_t end) {
  const std::uint64_t from = std::max(begin, offset);
  const std::uint64_t to = std::min<std::uint64_t>(end, offset + out.size());
  if (from >= to) return {};
  return out.subspan(static_cast<std::size_t>(from - offset), static_cast<std::size_t>(to - from));
}

void clear(std::span<std::uint8_t> bytes) {
  if (!bytes.empty()) std::memset(bytes.data(), 0, bytes.size());
}

// pread, except that holes are filled in without asking the kernel for their zeros.
bool read_with_holes(int fd, std::span<std::uint8_t> out, std::uint64_t offset,
                     const std::filesystem::path& path) {
  while (!out.empty()) {
    const off_t data = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0 && errno != ENXIO) return read_exactly_at(fd, out, offset, path);
    const std::uint64_t hole =
        data < 0 ? out.size()
                 : std::min<std::uint64_t>(out.size(), static_cast<std::uint64_t>(data) - offset);
    clear(out.first(static_cast<std::size_t>(hole)));
    out = out.subspan(static_cast<std::size_t>(hole));
    offset += hole;
    if (out.empty()) return true;

    const off_t end = ::lseek(fd, static_cast<off_t>(offset), SEEK_HOLE);
    if (end <= static_cast<off_t>(offset)) return read_exactly_at(fd, out, offset, path);
    const std::uint64_t length =
        std::min<std::uint64_t>(out.size(), static_cast<std::uint64_t>(end) - offset);
    if (!read_exactly_at(fd, out.first(static_cast<std::size_t>(length)), offset, path))
      return false;
    out = out.subspan(static_cast<std::size_t>(length));
    offset += length;
  }
  return true;
}

}  // namespace

TarStream::TarStream(SourceTree tree, MtimePolicy policy, std::int64_t fixed_mtime)
    : tree_(std::move(tree)),
      policy_(policy),
      fixed_mtime_(fixed_mtime),
      with_attributes_(tree_.directories_with_attributes) {
  places_.reserve(tree_.entries.size());
  for (SourceEntry& source : tree_.entries) {
    Entry& entry = source.entry;
    if (policy_ != MtimePolicy::source) entry.mtime = 0;
    Place place{.header = size_, .content = 0};
    size_ += tar_header(entry, header_mtime(entry)).size();
    place.content = size_;
    if (entry.type == EntryType::file) {
      entry.tar_offset = size_;
      size_ += tar_padded(entry.size);
    }
    places_.push_back(place);
  }
  size_ += tar_end_bytes;
}

std::int64_t TarStream::header_mtime(const Entry& entry) const {
  return policy_ == MtimePolicy::fixed ? fixed_mtime_ : entry.mtime;
}

std::vector<Entry> TarStream::take_entries() {
  std::vector<Entry> entries;
  entries.reserve(tree_.entries.size());
  for (SourceEntry& source : tree_.entries) entries.push_back(std::move(source.entry));
  return entries;
}

void TarStream::read(std::uint64_t offset, std::span<std::uint8_t> out) {
  try {
    const std::uint64_t end = offset + out.size();
    const auto behind = std::ranges::upper_bound(places_, offset, {}, &Place::header);
    for (auto index = static_cast<std::size_t>(behind - places_.begin()) - 1;
         index < places_.size() && places_[index].header < end; ++index) {
      const auto [header, content] = places_[index];
      const Entry& entry = tree_.entries[index].entry;
      const auto header_part = part(out, offset, header, content);
      if (!header_part.empty()) read_header(index, std::max(header, offset) - header, header_part);
      if (entry.type != EntryType::file) continue;
      // An empty file is looked at once, too: it may no longer be empty.
      const auto bytes = part(out, offset, content, content + entry.size);
      if (!bytes.empty() || (entry.size == 0 && header >= offset))
        read_content(index, std::max(content, offset) - content, bytes);
      clear(part(out, offset, content + entry.size, content + tar_padded(entry.size)));
    }
    clear(part(out, offset, size_ - tar_end_bytes, size_));
  } catch (...) {
    hasher_.give_up(offset);
    throw;
  }
}

void TarStream::read_header(std::size_t index, std::uint64_t offset,
                            std::span<std::uint8_t> out) const {
  const Entry& entry = tree_.entries[index].entry;
  const std::string header = tar_header(entry, header_mtime(entry));
  std::memcpy(out.data(), header.data() + offset, out.size());
}

void TarStream::read_content(std::size_t index, std::uint64_t from, std::span<std::uint8_t> out) {
  SourceEntry& source = tree_.entries[index];
  const std::filesystem::path path = tree_.path / source.entry.path;
  // O_NONBLOCK: should it have become a FIFO, opening it must not wait for a writer.
  const UniqueFd fd(::openat(tree_.root.get(), source.entry.path.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT || errno == ELOOP || errno == ENOTDIR || errno == ENXIO)
      throw_changed(path);
    throw_system_error("cannot read", path.native(), errno);
  }
  check_unchanged(source, fd.get());
  if (from == 0 && has_attributes_to_lose(fd.get())) ++with_attributes_;
  const std::uint64_t offset = from;
  const bool whole = source.sparse ? read_with_holes(fd.get(), out, offset, path)
                                   : read_exactly_at(fd.get(), out, offset, path);
  if (!whole) throw_changed(path);
  check_unchanged(source, fd.get());

  if (out.size() == source.entry.size) {
    source.entry.sha256 = sha256(out);
    return;
  }
  const bool last = from + out.size() == source.entry.size;
  const auto digest = hasher_.update(index, from, out, last, places_[index].content + from);
  if (digest) source.entry.sha256 = *digest;
}

void TarStream::check_unchanged(const SourceEntry& source, int fd) const {
  struct stat status {};
  if (::fstat(fd, &status) != 0)
    throw_system_error("cannot read", (tree_.path / source.entry.path).native(), errno);
  if (FileIdentity::of(status) != source.identity) throw_changed(tree_.path / source.entry.path);
}

}  // namespace murder
