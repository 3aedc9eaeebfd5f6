// SHA-256 of files whose parts are read by different threads: a part waits until the one before it
// is hashed. SHA-256 cannot be split, so this bounds a single large file at the speed of one core.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <optional>

#include "base/digest.hpp"

namespace murder {

/// Any thread. No deadlock as long as each part that is waited for is in the hands of a running
/// thread which will hash it or give up.
class OrderedHasher {
 public:
  /// Hashes bytes [`from`, `from` + data.size()) of file number `file`, once those before are; the
  /// digest when they are the last. Throws Error{failed} when an earlier place of the stream was
  /// given up, so that those bytes may never come. `place`: where the part begins in the stream.
  std::optional<Sha256Digest> update(std::size_t file, std::uint64_t from, ByteSpan data, bool last,
                                     std::uint64_t place);
  /// No more parts will come from here on; whoever waits at a later place is let go.
  void give_up(std::uint64_t place);

 private:
  struct Progress {
    Sha256Stream stream;
    std::uint64_t hashed = 0;
  };
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::size_t, Progress> files_;
  std::uint64_t given_up_at_ = std::numeric_limits<std::uint64_t>::max();
};

}  // namespace murder
