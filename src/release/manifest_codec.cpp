#include "release/manifest_codec.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

#include "base/error.hpp"
#include "release/limits.hpp"
#include "release/tar.hpp"
#include "release/varint.hpp"

namespace murder {
namespace {

constexpr std::uint64_t body_format = 1;
// An entry has a path of one byte or more, with its length, and a kind; a frame two sizes and a
// digest. No body holds more of them than its bytes divided by these.
constexpr std::uint64_t least_entry_bytes = 3;
constexpr std::uint64_t least_frame_bytes = 2 + Sha256Digest::size;

bool has_mode(EntryType type) { return type == EntryType::file || type == EntryType::directory; }

// A kind: the type in the low two bits, the mode above where the type has one of its own.
std::uint64_t kind_of(const Entry& entry) {
  const std::uint64_t mode = has_mode(entry.type) ? entry.mode : 0;
  return mode << 2 | static_cast<std::uint64_t>(entry.type);
}

// Which entry has this path; one that no decoder takes when there is none.
std::uint64_t index_of(const Manifest& manifest, const std::string& path) {
  const auto found = std::ranges::lower_bound(manifest.entries, path, {}, &Entry::path);
  if (found == manifest.entries.end() || found->path != path) return manifest.entries.size();
  return static_cast<std::uint64_t>(found - manifest.entries.begin());
}

// Walks the places of entries in the tar stream: in order, each behind its own header block and
// those of the entries between.
class TarCursor {
 public:
  std::uint64_t position() const { return position_; }
  void skip_entry() { position_ += tar_block_bytes; }
  /// Blocks that lie between here and the content besides the least one, its header.
  std::uint64_t gap_to(const Entry& file) const {
    return (file.tar_offset - position_) / tar_block_bytes - 1;
  }
  /// Sets the file's offset from its gap and moves behind its content; false beyond `limit`.
  bool place(Entry& file, std::uint64_t gap, std::uint64_t limit) {
    const std::uint64_t room = limit - position_;
    if (position_ > limit || gap >= room / tar_block_bytes) return false;
    file.tar_offset = position_ + (gap + 1) * tar_block_bytes;
    if (file.size > limit - file.tar_offset) return false;
    move_behind(file);
    return position_ <= limit;
  }
  void move_behind(const Entry& file) { position_ = file.tar_offset + tar_padded(file.size); }

 private:
  std::uint64_t position_ = 0;
};

class Decoder {
 public:
  explicit Decoder(std::string_view body) : in_(body) {}

  Manifest run() && {
    if (in_.varint() != body_format) throw Malformed("it has a format that is not known here");
    read_policy();
    const std::uint64_t entry_count = in_.varint();
    const std::uint64_t frame_count = in_.varint();
    if (entry_count > max_entries || entry_count > in_.remaining() / least_entry_bytes)
      throw Malformed(fmt::format("it says that it has {} entries", entry_count));
    if (frame_count > in_.remaining() / least_frame_bytes)
      throw Malformed(fmt::format("it says that it has {} frames", frame_count));
    manifest_.entries.resize(static_cast<std::size_t>(entry_count));
    manifest_.frames.resize(static_cast<std::size_t>(frame_count));
    read_paths();
    read_kinds();
    check_parents();
    read_link_targets();
    read_frame_sizes();
    read_places();
    read_mtimes();
    read_digests();
    if (in_.remaining() != 0) throw Malformed("bytes follow its end");
    return std::move(manifest_);
  }

 private:
  void read_policy() {
    const std::uint64_t policy = in_.varint();
    if (policy > static_cast<std::uint64_t>(MtimePolicy::fixed))
      throw Malformed("it has an mtime policy that is not known here");
    manifest_.mtime_policy = static_cast<MtimePolicy>(policy);
    if (manifest_.mtime_policy == MtimePolicy::fixed) manifest_.fixed_mtime = in_.signed_varint();
  }

  void read_paths() {
    const std::string* before = nullptr;
    for (Entry& entry : manifest_.entries) {
      const std::string_view path = in_.bytes();
      check_path(path);
      if (before != nullptr && path <= *before)
        throw Malformed(fmt::format("{} is not in its place by order", printable(path)));
      entry.path = path;
      before = &entry.path;
    }
  }

  static void check_path(std::string_view path) {
    if (path.empty() || path.size() > max_path_bytes)
      throw Malformed(fmt::format("a path of {} bytes", path.size()));
    if (path.find('\0') != std::string_view::npos) throw Malformed("a path with a NUL byte");
    for (std::size_t begin = 0; begin <= path.size();) {
      const std::size_t end = std::min(path.find('/', begin), path.size());
      const std::string_view component = path.substr(begin, end - begin);
      if (component.empty() || component == "." || component == "..")
        throw Malformed(fmt::format("the unsafe path {}", printable(path)));
      begin = end + 1;
    }
  }

  void read_kinds() {
    for (Entry& entry : manifest_.entries) {
      const std::uint64_t kind = in_.varint();
      entry.type = static_cast<EntryType>(kind & 3);
      if (kind >> 2 > (has_mode(entry.type) ? 0777u : 0u))
        throw Malformed(fmt::format("{} has a mode beyond 0777", printable(entry.path)));
      entry.mode = static_cast<std::uint32_t>(kind >> 2);
      if (entry.type == EntryType::symlink) entry.mode = symlink_mode;
    }
  }

  // Every folder on the way to an entry is an entry itself, and a folder: so no path leads through
  // a link or a file. It may lie far before: "a", "a-b", "a/c" are in order.
  void check_parents() const {
    std::string_view good;
    for (const Entry& entry : manifest_.entries) {
      const std::size_t slash = entry.path.rfind('/');
      if (slash == std::string::npos) continue;
      const std::string_view parent = std::string_view(entry.path).substr(0, slash);
      if (parent == good) continue;
      const auto found = std::ranges::lower_bound(manifest_.entries, parent, {}, &Entry::path);
      // Never the end: the entry itself is not below its parent.
      if (found->path != parent || found->type != EntryType::directory)
        throw Malformed(fmt::format("{} lies in something that is not a folder of the pack",
                                    printable(entry.path)));
      good = parent;
    }
  }

  void read_link_targets() {
    for (std::size_t i = 0; i < manifest_.entries.size(); ++i) {
      Entry& entry = manifest_.entries[i];
      if (entry.type == EntryType::symlink) {
        const std::string_view target = in_.bytes();
        if (target.empty() || target.size() > max_link_target_bytes ||
            target.find('\0') != std::string_view::npos)
          throw Malformed(fmt::format("{} is a link to no possible path", printable(entry.path)));
        entry.link_target = target;
      } else if (entry.type == EntryType::hardlink) {
        const std::uint64_t index = in_.varint();
        if (index >= i || manifest_.entries[index].type != EntryType::file)
          throw Malformed(fmt::format("{} is a hard link to something that is no earlier file",
                                      printable(entry.path)));
        entry.link_target = manifest_.entries[index].path;
        entry.mode = manifest_.entries[index].mode;
      }
    }
  }

  void read_frame_sizes() {
    std::uint64_t stored_offset = 0;
    for (Frame& frame : manifest_.frames) {
      frame.raw_size = in_.varint();
      frame.stored_size = in_.varint();
      if (frame.raw_size == 0 || frame.raw_size > max_frame_raw_bytes)
        throw Malformed(fmt::format("a frame of {} bytes", frame.raw_size));
      if (frame.stored_size == 0 || frame.stored_size > max_stored_bytes(frame.raw_size))
        throw Malformed(fmt::format("a frame stored in {} bytes", frame.stored_size));
      frame.stored_offset = stored_offset;
      frame.raw_offset = tar_size_;
      stored_offset += frame.stored_size;
      tar_size_ += frame.raw_size;
    }
    if (tar_size_ < tar_end_bytes || tar_size_ % tar_block_bytes != 0)
      throw Malformed(fmt::format("its frames hold {} bytes, which is no tar stream", tar_size_));
  }

  void read_places() {
    const std::uint64_t limit = tar_size_ - tar_end_bytes;
    TarCursor cursor;
    for (Entry& entry : manifest_.entries) {
      if (entry.type != EntryType::file) {
        cursor.skip_entry();
        continue;
      }
      entry.size = in_.varint();
      if (!cursor.place(entry, in_.varint(), limit))
        throw Malformed(fmt::format("{} does not lie in its frames", printable(entry.path)));
    }
    if (cursor.position() > limit) throw Malformed("its entries do not fit into its frames");
  }

  void read_mtimes() {
    if (manifest_.mtime_policy != MtimePolicy::source) return;
    for (Entry& entry : manifest_.entries) entry.mtime = in_.signed_varint();
  }

  void read_digests() {
    for (Entry& entry : manifest_.entries)
      if (entry.type == EntryType::file) entry.sha256 = digest();
    for (Frame& frame : manifest_.frames) frame.raw_sha256 = digest();
  }

  Sha256Digest digest() { return *Sha256Digest::from_bytes(in_.raw(Sha256Digest::size)); }

  ByteReader in_;
  Manifest manifest_;
  std::uint64_t tar_size_ = 0;
};

}  // namespace

std::string encode_manifest_body(const Manifest& manifest) {
  std::string out;
  put_varint(out, body_format);
  put_varint(out, static_cast<std::uint64_t>(manifest.mtime_policy));
  if (manifest.mtime_policy == MtimePolicy::fixed) put_signed(out, manifest.fixed_mtime);
  put_varint(out, manifest.entries.size());
  put_varint(out, manifest.frames.size());
  for (const Entry& entry : manifest.entries) put_bytes(out, entry.path);
  for (const Entry& entry : manifest.entries) put_varint(out, kind_of(entry));
  for (const Entry& entry : manifest.entries) {
    if (entry.type == EntryType::symlink) put_bytes(out, entry.link_target);
    if (entry.type == EntryType::hardlink) put_varint(out, index_of(manifest, entry.link_target));
  }
  for (const Frame& frame : manifest.frames) {
    put_varint(out, frame.raw_size);
    put_varint(out, frame.stored_size);
  }
  TarCursor cursor;
  for (const Entry& entry : manifest.entries) {
    if (entry.type != EntryType::file) {
      cursor.skip_entry();
      continue;
    }
    put_varint(out, entry.size);
    put_varint(out, cursor.gap_to(entry));
    cursor.move_behind(entry);
  }
  if (manifest.mtime_policy == MtimePolicy::source)
    for (const Entry& entry : manifest.entries) put_signed(out, entry.mtime);
  for (const Entry& entry : manifest.entries)
    if (entry.type == EntryType::file) out += entry.sha256.view();
  for (const Frame& frame : manifest.frames) out += frame.raw_sha256.view();
  return out;
}

Manifest decode_manifest_body(std::string_view body) { return Decoder(body).run(); }

}  // namespace murder
