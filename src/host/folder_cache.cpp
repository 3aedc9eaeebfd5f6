#include "host/folder_cache.hpp"

#include <fcntl.h>

#include "host/beneath.hpp"

namespace murder {

int FolderCache::open(std::uint32_t folder) {
  if (folder == UnpackPlan::root) return tree_;
  ++clock_;
  std::size_t oldest = 0;
  // Files come sorted by path, so that it is nearly always the one of the call before.
  for (std::size_t n = 0; n < capacity; ++n) {
    const std::size_t i = (last_ + n) % capacity;
    Slot& slot = slots_[i];
    if (slot.fd && slot.folder == folder) {
      slot.used = clock_;
      last_ = i;
      return slot.fd.get();
    }
    if (slots_[i].used < slots_[oldest].used) oldest = i;
  }
  UniqueFd fd = open_beneath(tree_, plan_.path_of(plan_.folders()[folder]), O_PATH | O_DIRECTORY);
  if (!fd) return -1;
  slots_[oldest] = {folder, clock_, std::move(fd)};
  last_ = oldest;
  return slots_[oldest].fd.get();
}

}  // namespace murder
