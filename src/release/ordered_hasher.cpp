#include "release/ordered_hasher.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace murder {

std::optional<Sha256Digest> OrderedHasher::update(std::size_t file, std::uint64_t from,
                                                  ByteSpan data, bool last, std::uint64_t place) {
  Progress* progress = nullptr;
  {
    std::unique_lock lock(mutex_);
    progress = &files_[file];
    changed_.wait(lock, [&] { return progress->hashed == from || given_up_at_ < place; });
    if (progress->hashed != from)
      throw Error(ErrorKind::failed, "cannot hash: an earlier part could not be read");
  }
  // Unlocked: this part alone has its turn, and map elements stay where they are.
  progress->stream.update(data);
  std::optional<Sha256Digest> digest;
  if (last) digest = progress->stream.finish();
  {
    const std::lock_guard lock(mutex_);
    progress->hashed += data.size();
    if (last) files_.erase(file);
  }
  changed_.notify_all();
  return digest;
}

void OrderedHasher::give_up(std::uint64_t place) {
  {
    const std::lock_guard lock(mutex_);
    given_up_at_ = std::min(given_up_at_, place);
  }
  changed_.notify_all();
}

}  // namespace murder
