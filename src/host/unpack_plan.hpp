// Where everything in a manifest goes: its tree as folders with indices, its files in the order of
// the tar stream. Whatever a manifest says, what a plan holds is below one folder: a second gate
// behind decode_manifest, which alone would be a thin wall before a host's disk. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "release/manifest.hpp"

namespace murder {

class UnpackPlan {
 public:
  /// `manifest` must outlive the plan and stay as it is. Throws Error{integrity} naming the path
  /// for: a path that is absolute, climbs, is named twice or does not lie in a folder named before
  /// it; a symlink to nothing; a hard link to something that is not a file of this release; files
  /// that overlap in the tar stream or lie outside of its frames.
  explicit UnpackPlan(const Manifest& manifest);

  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  static constexpr std::uint32_t root = 0;

  /// A folder of the tree. Folder 0 is the root; parents come before what they hold.
  struct Folder {
    std::size_t entry = none;  ///< in the manifest; none for the root
    std::uint32_t parent = root;
  };
  const std::vector<Folder>& folders() const { return folders_; }
  /// Not for the root.
  const std::string& path_of(const Folder& folder) const {
    return manifest_.entries[folder.entry].path;
  }

  /// The folder that holds an entry, by the entry's index.
  std::uint32_t parent_of(std::size_t entry) const { return places_[entry].parent; }
  /// The last component of an entry's path.
  const char* name_of(std::size_t entry) const {
    return manifest_.entries[entry].path.c_str() + places_[entry].name_offset;
  }
  /// Of a hard link: the index of the file it is another name of.
  std::size_t target_of(std::size_t entry) const { return places_[entry].target; }

  /// A part of a file that lies in a frame.
  struct Part {
    std::size_t entry;
    std::uint64_t file_offset;
    std::uint64_t frame_offset;  ///< in the frame's raw bytes
    std::uint64_t size;
  };
  /// In the order of the tar stream; never an empty part.
  std::vector<Part> parts_of(std::size_t frame) const;

 private:
  struct Place {
    std::uint32_t parent = 0;
    std::uint32_t name_offset = 0;
    std::size_t target = none;
  };
  class Builder;

  const Manifest& manifest_;
  std::vector<Folder> folders_;
  std::vector<Place> places_;           ///< by entry
  std::vector<std::size_t> tar_order_;  ///< files with content, by tar offset
};

}  // namespace murder
