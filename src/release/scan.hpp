// The tree that is to be packed, as it lies on disk: what is in it, in which order, and by what
// each file will be known again when it is read. One thread.
#pragma once

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "release/manifest.hpp"

struct stat;

namespace murder {

/// A file as it was seen; another value means that it is another file or was written to. (Two
/// writes within one tick of the file system's clock look alike to it.)
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modified_s = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_s = 0;
  std::int64_t changed_ns = 0;

  static FileIdentity of(const struct stat& status);
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

struct SourceEntry {
  Entry entry;            ///< complete but for sha256 and tar_offset; mtime is the source's
  FileIdentity identity;  ///< of a file
  bool sparse = false;    ///< a file with fewer blocks than bytes: it may have holes
};

struct SourceTree {
  std::filesystem::path path;
  UniqueFd root;
  std::vector<SourceEntry> entries;    ///< sorted by raw path bytes; never empty
  std::vector<std::string> lost_bits;  ///< paths whose setuid, setgid or sticky bit is dropped
  std::uint64_t directories_with_attributes = 0;  ///< whose extended attributes are dropped
};

struct ScanOptions {
  /// The one item of the folder that is to be looked at; empty: all. Never left out.
  std::string only = {};
  bool include_vcs = false;
  std::vector<std::string> exclude;  ///< as in PackOptions
  /// Files that are no part of the tree even when they lie in it, as (device, inode).
  std::vector<std::pair<std::uint64_t, std::uint64_t>> leave_out;
};

/// Throws Error{usage} when there is no folder at `source` or nothing to pack in it, Error{failed}
/// naming what cannot be read or cannot be part of a release.
SourceTree scan_tree(const std::filesystem::path& source, const ScanOptions& options);

/// Whether a pack loses extended attributes of this open file that somebody may miss: all but
/// security.*, which the system sets by itself; of those only security.capability counts.
bool has_attributes_to_lose(int fd);

}  // namespace murder
