// The manifest: what a pack holds, entry by entry and frame by frame. With it every frame can be
// unpacked the moment it is whole, in any order, straight to its place in the files it belongs to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"

namespace murder {

enum class EntryType : std::uint8_t { file = 0, directory = 1, symlink = 2, hardlink = 3 };

struct Entry {
  std::string path;  ///< raw bytes, relative, no empty, "." or ".." component, no leading "/"
  EntryType type = EntryType::file;
  /// Permission bits, at most 0777 (setuid, setgid, sticky are dropped). Symlink: 0777. Hardlink:
  /// that of its target.
  std::uint32_t mode = 0;
  std::string link_target;       ///< symlink: as read; hardlink: the path of an earlier file entry
  std::uint64_t size = 0;        ///< file: bytes
  std::int64_t mtime = 0;        ///< seconds; only under MtimePolicy::source, else 0
  Sha256Digest sha256;           ///< file: of its content
  std::uint64_t tar_offset = 0;  ///< file: where its content begins in the tar stream
  friend bool operator==(const Entry&, const Entry&) = default;
};

struct Frame {
  std::uint64_t stored_offset = 0;  ///< in the pack
  std::uint64_t stored_size = 0;
  std::uint64_t raw_offset = 0;  ///< in the tar stream
  std::uint64_t raw_size = 0;
  Sha256Digest raw_sha256;
  friend bool operator==(const Frame&, const Frame&) = default;
};

enum class MtimePolicy : std::uint8_t { from_digest = 0, source = 1, fixed = 2 };

struct Manifest {
  std::vector<Entry> entries;  ///< sorted by path, a directory before what it holds
  std::vector<Frame> frames;   ///< in pack order; offsets are sums of the sizes before
  MtimePolicy mtime_policy = MtimePolicy::from_digest;
  std::int64_t fixed_mtime = 0;

  /// SHA-256 over the entries (not over how they were compressed): the same tree has the same.
  Sha256Digest content_digest() const;
  /// The first 12 hexadecimal digits of content_digest().
  std::string default_tag() const;
  /// The mtime that every host gives to this entry, by the policy. Under from_digest every call
  /// hashes all entries: use MtimeRule for more than one.
  std::int64_t mtime_of(const Entry& entry) const;
  std::uint64_t total_file_bytes() const;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

/// Manifest::mtime_of for many entries of one manifest, which it does not refer to afterwards.
class MtimeRule {
 public:
  explicit MtimeRule(const Manifest& manifest);
  std::int64_t operator()(const Entry& entry) const { return shared_ ? *shared_ : entry.mtime; }

 private:
  std::optional<std::int64_t> shared_;  // none: each entry has its own
};

/// As stored in the pack's manifest skippable frame: one zstd frame. See docs/pack-format.md. What
/// a type of entry does not have (a folder's size, a link's mode, an mtime that the policy does not
/// use) is not stored. Throws Error{failed} when there is more than decode_manifest would take.
std::string encode_manifest(const Manifest& manifest);
/// Throws Error{integrity} for anything malformed, inconsistent or unsafe: a path that climbs, a
/// path through a symlink or a file entry, a duplicate, sizes that do not add up, a link to
/// nothing. Every folder that a path leads through is an entry itself. `source` names it in errors.
/// Bounded memory whatever the input says.
Manifest decode_manifest(std::string_view stored, std::string_view source);

}  // namespace murder
