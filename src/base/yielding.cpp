#include "base/yielding.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

namespace murder {

ThreadClock::ThreadClock() : fd_(::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {}

std::optional<ThreadTimes> ThreadClock::read() const {
  std::array<char, 96> text{};
  const ssize_t size = fd_ ? ::pread(fd_.get(), text.data(), text.size(), 0) : -1;
  if (size <= 0) return std::nullopt;
  const char* const end = text.data() + size;
  std::int64_t running = 0;
  std::int64_t waiting = 0;
  const auto first = std::from_chars(text.data(), end, running);
  if (first.ec != std::errc{} || first.ptr == end) return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, waiting);
  if (second.ec != std::errc{}) return std::nullopt;
  return ThreadTimes{std::chrono::nanoseconds(running), std::chrono::nanoseconds(waiting)};
}

Duration Yielding::rest_after(const ThreadTimes& now) {
  const Duration ran = now.running - before_.running;
  const Duration waited = now.waiting - before_.waiting;
  before_ = now;
  if (waited * 4 > ran) {
    rest_ = std::clamp(rest_ * 2, shortest_rest, longest_rest);
  } else {
    rest_ /= 4;
    if (rest_ < shortest_rest) rest_ = Duration::zero();
  }
  return rest_;
}

}  // namespace murder
