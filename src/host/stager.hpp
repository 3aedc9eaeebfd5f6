// Staging: frames of a pack in, any order, as they become whole; a complete release out, or
// nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "host/destination.hpp"
#include "release/manifest.hpp"

namespace murder {

/// Room that staging will take: pack + tree + 5 %. Throws Error{failed} "… needs N, M free …"
/// before the first byte is fetched. `already_there_bytes` of it are on disk (a resumed pack).
void check_room(const Destination& destination, std::uint64_t pack_bytes, std::uint64_t tree_bytes,
                std::uint64_t already_there_bytes);

struct StageOptions {
  std::string owner;  ///< "user[:group]", names or numbers; empty: the extracting user
};

/// Unpacks into releases/TAG.partial (wiped first). Nothing is ever written outside of it, whatever
/// the manifest says. One thread at a time, any thread. A full disk is Error{failed} with needed
/// and free.
class Stager {
 public:
  Stager(const Destination& destination, std::string tag, const Manifest& manifest,
         StageOptions options);
  ~Stager();

  std::size_t frame_count() const;
  /// `stored`: exactly the frame's bytes in the pack. Verified, then written. Each frame once.
  void unpack(std::size_t frame_index, std::span<const std::uint8_t> stored);
  /// After every frame: links, modes, owner, mtimes, one syncfs, TAG.partial → TAG by rename,
  /// journal
  /// ("staged"), manifest kept for verify. `stored_manifest` is what encode_manifest made.
  void finish(std::string_view stored_manifest);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A raw file as a release: releases/TAG/NAME, from the verified payload at `payload` (hard link or
/// copy), synced and renamed into place.
void stage_file(const Destination& destination, const std::string& tag, const std::string& name,
                const std::filesystem::path& payload, StageOptions options);

}  // namespace murder
