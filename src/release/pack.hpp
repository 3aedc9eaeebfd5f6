// Packs: a release as one file, TAG.tar.zst. A plain tar in independent zstd frames of 8 MiB, then
// the manifest and a 64-byte trailer in skippable frames, so that `tar -xf` gives the release back
// and murder can unpack any frame alone. Deterministic: the same tree gives the same bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "release/manifest.hpp"

namespace murder {

inline constexpr std::uint64_t frame_size_bytes = 8u << 20;  ///< of the tar stream

struct PackOptions {
  /// The one item of the source folder that is to be packed, whatever it is called; empty: all.
  std::string only = {};
  bool include_vcs = false;  ///< keep .git, .gitignore, …
  /// fnmatch(3) patterns; an entry is left out, a folder with all that is in it, when one matches
  /// its path below the source or its last component. `*` matches slashes too.
  std::vector<std::string> exclude;
  int level = 3;
  unsigned threads = 0;  ///< 0: one a core. Has no influence on the bytes.
  MtimePolicy mtime_policy = MtimePolicy::from_digest;
  std::int64_t fixed_mtime = 0;
  std::function<void(const std::string&)> warn;  ///< dropped setuid bits, xattrs; may be empty
  std::function<void(std::uint64_t done, std::uint64_t total)>
      progress;  ///< tar bytes; may be empty; called by the thread that packs
  /// Files that are no part of the release even when they lie in the tree, as the pack itself never
  /// is: the torrent beside it. Need not exist.
  std::vector<std::filesystem::path> leave_out;
};

struct PackResult {
  Manifest manifest;
  std::uint64_t pack_size = 0;        ///< bytes
  std::uint64_t manifest_offset = 0;  ///< of the stored manifest (inside its skippable frame)
  std::uint64_t manifest_length = 0;
  Sha256Digest manifest_sha256;  ///< of the stored bytes
  std::uint64_t tar_size = 0;
};

/// Packs the tree below `source` into a new file at `out` (written beside it and renamed, so that a
/// failure leaves no half pack). Throws Error{usage} (no such source, not a folder, empty),
/// Error{failed} (unreadable, a device or socket, a file that changed while it was read: named; no
/// room at `out`). The source may be a symlink to a folder. Not synced to disk.
PackResult write_pack(const std::filesystem::path& source, const std::filesystem::path& out,
                      const PackOptions& options);

/// Reads manifest and location from a pack file's trailer. Error{integrity} when it is none.
struct OpenedPack {
  Manifest manifest;
  std::uint64_t pack_size = 0;
  std::uint64_t manifest_offset = 0;
  std::uint64_t manifest_length = 0;
  Sha256Digest manifest_sha256;
};
OpenedPack read_pack(const std::filesystem::path& pack);

/// Decompresses one frame and checks it against the manifest. `stored` is exactly the frame's
/// stored bytes. Reuses its zstd context; one thread at a time. Throws Error{integrity} naming the
/// frame.
class FrameDecoder {
 public:
  FrameDecoder();
  ~FrameDecoder();
  /// Valid until the next call.
  std::span<const std::uint8_t> decode(const Frame& frame, std::span<const std::uint8_t> stored);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace murder
