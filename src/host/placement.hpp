// A file or tree at a place of its own, without releases around it: staged in a folder beside that
// place, like any release, and from there renamed to it.
//
//   /srv/data/.model.murder-copy/   a DEST, as long as it takes
//   /srv/data/model                 the target: what was there, or what was brought, at any instant
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>

#include "base/digest.hpp"
#include "host/attributes.hpp"
#include "host/destination.hpp"

namespace murder {

/// What a file is called in Placement::content, for its own name is no part of what it is.
inline constexpr const char* placed_file_name = "file";

/// What is to be where.
struct Placement {
  std::filesystem::path target;  ///< absolute
  bool is_file = false;
  Sha256Digest content;     ///< Manifest::content_digest() under MtimePolicy::source
  std::uint64_t bytes = 0;  ///< of all its files
  std::uint32_t mode = 0;   ///< permission bits of a tree's own folder
  Owner owner;
  /// Whatever folder, file or symlink is there gives way. Without it only a file does, to a file.
  bool replace = false;
};

struct TargetState {
  bool same = false;  ///< what is to be there is
  /// What is there and does not give way, in words ("a folder"), and the way out; empty: nothing.
  std::string in_the_way;
};
/// Reads all that is at the target when it may be the same. Throws Error{failed}: cannot be read,
/// changes meanwhile, `stop` was requested.
TargetState look_at_target(const Placement& placement, const std::stop_token& stop = {});

/// Renames DEST/releases/TAG, or the only file in it, to the target, which is on disk when it
/// returns. What it takes the place of lies in DEST then; false: nothing did. Where it is no more,
/// as after being placed once before, the target is compared instead. Throws Error: usage
/// (something is in the way), failed.
bool place(const Destination& destination, const std::string& tag, const Placement& placement,
           const std::stop_token& stop = {});

/// Removes the DEST that a copy was staged in, with what was replaced. False with errno: something
/// of it is left.
bool remove_staging(const Destination& destination);

}  // namespace murder
