// What is to happen in a virtual network, in order of time and, at one moment, in order of being
// ordered. A heap of four children a node: pops dominate, and this one touches fewer cache lines.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/units.hpp"
#include "bittorrent/wire.hpp"

namespace murder::sim {

enum class EventKind : std::uint8_t {
  join,
  kill,
  freeze,
  tick,
  dialled,
  control,
  uplink_free,
  at_rack,  ///< a block comes to the receiver's rack
  at_host,  ///< … and from its rack to the receiver
  block_in,
  verified,
  tracker_asked,
  tracker_answered,
  reset,
  fed,
  web_asked,  ///< block: the first piece, which source, how many pieces
  web_came,
};

struct Event {
  Instant at;
  std::uint64_t order = 0;
  std::uint32_t node = 0;
  std::uint32_t link = 0;  ///< the node's own number of a link; of a dialled host: its index
  wire::Block block{};
  std::uint16_t life = 0;  ///< of the process that it is meant for
  EventKind kind{};
};

class EventQueue {
 public:
  bool empty() const { return heap_.empty(); }
  const Event& top() const { return heap_.front(); }

  void push(Event event) {
    event.order = order_++;
    std::size_t hole = heap_.size();
    heap_.emplace_back();
    while (hole > 0) {
      const std::size_t parent = (hole - 1) / 4;
      if (!before(event, heap_[parent])) break;
      heap_[hole] = heap_[parent];
      hole = parent;
    }
    heap_[hole] = event;
  }

  Event pop() {
    const Event first = heap_.front();
    const Event last = heap_.back();
    heap_.pop_back();
    if (!heap_.empty()) sink(last);
    return first;
  }

 private:
  static bool before(const Event& a, const Event& b) {
    return a.at != b.at ? a.at < b.at : a.order < b.order;
  }

  void sink(const Event& event) {
    std::size_t hole = 0;
    while (true) {
      const std::size_t first = hole * 4 + 1;
      if (first >= heap_.size()) break;
      std::size_t best = first;
      for (std::size_t child = first + 1; child < std::min(first + 4, heap_.size()); ++child)
        if (before(heap_[child], heap_[best])) best = child;
      if (!before(heap_[best], event)) break;
      heap_[hole] = heap_[best];
      hole = best;
    }
    heap_[hole] = event;
  }

  std::vector<Event> heap_;
  std::uint64_t order_ = 0;
};

}  // namespace murder::sim
