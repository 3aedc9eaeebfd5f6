// The queues of a virtual network: what a block meets between one host's uplink and another's
// engine. A pipe passes blocks in the order in which they set out, each as it comes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/units.hpp"

namespace murder::sim {

/// From the first byte of a block at some place to its last.
struct Passage {
  Instant begin;
  Instant end;
};

/// How long `bytes` take, headers included by whoever counts them.
inline Duration time_for(double bytes, Rate rate) {
  return from_seconds(bytes / rate.bytes_per_second);
}

class Pipe {
 public:
  explicit Pipe(Rate rate) : rate_(rate) {}

  /// When what comes in as `in` has passed. It holds the pipe for as long as its bytes take at the
  /// pipe's own rate, so that a slow sender does not keep a fast receiver from others.
  Passage pass(Passage in, double bytes) {
    const Instant begin = std::max(in.begin, free_);
    free_ = begin + time_for(bytes, rate_);
    return {begin, std::max(free_, in.end)};
  }

 private:
  Rate rate_;
  Instant free_{};
};

/// Racks, each behind one link that its hosts share, out and in; the core between them is wide.
/// A pipe's order is that of the calls, so that each is called when the block comes to it, not
/// before: what is held up on the way must not hold up what overtakes it.
class Racks {
 public:
  Racks(std::uint32_t count, std::optional<Rate> link) {
    if (!link || count < 2) return;
    rate_ = *link;
    out_.assign(count, Pipe(*link));
    in_.assign(count, Pipe(*link));
  }

  bool between(std::uint32_t from, std::uint32_t to) const { return from != to && !out_.empty(); }
  Rate rate() const { return rate_; }
  Pipe& out_of(std::uint32_t rack) { return out_[rack]; }
  Pipe& into(std::uint32_t rack) { return in_[rack]; }

 private:
  Rate rate_{};
  std::vector<Pipe> out_;
  std::vector<Pipe> in_;
};

}  // namespace murder::sim
