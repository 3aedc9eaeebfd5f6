// Work in the background that leaves the processor to those who need it more.
//
// Priorities are the wrong means for that: a thread of SCHED_IDLE or a high nice value gets nothing
// at all on a busy machine, keeps the locks that it holds from everybody else meanwhile, and only
// root may raise it again when the work has become urgent. So the work stays at the usual priority
// and rests when it finds that it had to wait for a processor.
#pragma once

#include <optional>

#include "base/file.hpp"
#include "base/units.hpp"

namespace murder {

/// What a thread has had so far, as Linux counts it (proc(5), schedstat).
struct ThreadTimes {
  Duration running{};  ///< on a processor
  Duration waiting{};  ///< could have run, and had none
};

/// Reads the times of the thread that made it. A kernel that does not count them: nullopt.
class ThreadClock {
 public:
  ThreadClock();
  std::optional<ThreadTimes> read() const;

 private:
  UniqueFd fd_;
};

/// When to rest, and how long: not at all while the thread gets a processor when it wants one, else
/// longer each time, up to longest_rest.
class Yielding {
 public:
  static constexpr Duration step = std::chrono::milliseconds(2);  ///< of work, between two calls
  static constexpr Duration shortest_rest = std::chrono::milliseconds(10);
  static constexpr Duration longest_rest = std::chrono::milliseconds(500);

  /// After a step that brought the thread to `now`.
  Duration rest_after(const ThreadTimes& now);

 private:
  ThreadTimes before_;
  Duration rest_{};
};

}  // namespace murder
