// Open folders of a tree, the ones used last, so that a file costs one openat(2) of one name and
// not the resolution of its whole path.
#pragma once

#include <array>
#include <cstdint>

#include "base/file.hpp"
#include "host/unpack_plan.hpp"

namespace murder {

/// `plan` must outlive it; `tree` is the folder that stands for the plan's root and stays open. One
/// thread at a time.
class FolderCache {
 public:
  FolderCache(const UnpackPlan& plan, int tree) : plan_(plan), tree_(tree) {}

  /// An O_PATH descriptor of the folder, reached without following a symlink; -1 with errno. It
  /// stays open for the next 16 calls at least.
  int open(std::uint32_t folder);

 private:
  struct Slot {
    std::uint32_t folder = 0;
    std::uint64_t used = 0;
    UniqueFd fd;
  };
  static constexpr std::size_t capacity = 64;  ///< descriptors held at most

  const UnpackPlan& plan_;
  int tree_;
  std::uint64_t clock_ = 0;
  std::array<Slot, capacity> slots_;
  std::size_t last_ = 0;
};

}  // namespace murder
