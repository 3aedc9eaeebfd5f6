// Staging: frames of a pack in, any order, as they become whole; a complete release out, or
// nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host/destination.hpp"
#include "release/manifest.hpp"

namespace murder {

/// Room that staging will take: pack + tree + 5 %. Throws Error{failed} "… needs N, M free …"
/// before the first byte is fetched. `already_there_bytes` of it are on disk (a resumed pack).
void check_room(const Destination& destination, std::uint64_t pack_bytes, std::uint64_t tree_bytes,
                std::uint64_t already_there_bytes);

/// What the tree of a manifest takes on a disk of 4 KiB blocks, for check_room(): small files take
/// a whole block, so that 100,000 of 100 bytes take 400 MB and not 10. Holes count as if written.
std::uint64_t tree_bytes_on_disk(const Manifest& manifest);

struct StageOptions {
  /// As chown(1) reads it: "user", "user:group", "user:", ":group"; names of /etc/passwd and
  /// /etc/group, or numbers. Empty: the extracting user.
  std::string owner = {};
  /// Called now and then while files are written: may take its time, or throw to give up.
  std::function<void()> pause = {};
};

/// Unpacks into releases/TAG.partial (wiped first). Nothing is ever written outside of it, whatever
/// the manifest says. One thread at a time, any thread; the caller holds the tag's TransferLock and
/// not the DestinationLock, which finish() takes for a moment.
///
/// Errors, of the constructor too: a full disk is Error{failed} with needed and free, and what was
/// staged so far is removed; a manifest that leads out of the release, or something that others put
/// in the way, is Error{integrity}; a tag that ends in ".partial" or is there with other content,
/// or an unknown owner, is Error{usage}. When releases/TAG is there with this very content, nothing
/// is written and everything succeeds.
class Stager {
 public:
  /// `destination` must outlive it; `manifest` is copied.
  Stager(const Destination& destination, std::string tag, const Manifest& manifest,
         const StageOptions& options);
  ~Stager();

  std::size_t frame_count() const;
  /// `stored`: exactly the frame's bytes in the pack. Verified, then written. Each frame once; but
  /// after Error{integrity} for damaged bytes the same frame may be given again.
  void unpack(std::size_t frame_index, std::span<const std::uint8_t> stored);
  /// After every frame, once: links, modes, owner, mtimes, one syncfs, TAG.partial → TAG by rename,
  /// journal ("staged"), manifest kept for verify. `stored_manifest` is what encode_manifest made.
  void finish(std::string_view stored_manifest);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// A raw file as a release: releases/TAG/NAME, mode 0644, from the verified payload at `payload`,
/// synced and renamed into place. The payload is cloned (reflink) where the filesystem can, else
/// copied; never hard-linked, so that rewriting it changes no release. Errors as Stager's; a name
/// that is more than one path component is Error{integrity}. Locks as with Stager.
void stage_file(const Destination& destination, const std::string& tag, const std::string& name,
                const std::filesystem::path& payload, const StageOptions& options);

/// A file that lies in a payload, for stage_files().
struct RawFile {
  std::string path;  ///< in the release
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  bool is_executable = false;
};

/// Files out of the verified payload at `payload` as a release: modes 0644 or 0755, folders 0755,
/// synced and renamed into place. Errors as Stager's; a path that leads out of the release, is
/// named twice or leads through a file is Error{integrity}. Locks as with Stager.
void stage_files(const Destination& destination, const std::string& tag,
                 const std::vector<RawFile>& files, const std::filesystem::path& payload,
                 const StageOptions& options);

/// What such a release will be, but for the digests: for tree_bytes_on_disk().
Manifest manifest_of_files(const std::vector<RawFile>& files);

}  // namespace murder
