// A relay that holds every packet for a fixed time: what makes a lab's round trip long where the
// kernel has no netem. It is a TUN device in the bridge's namespace: all that hosts send is routed
// into it, waits, and comes out of it again.
//
// Packets pass it as large as the hosts' TCP makes them (up to 64 KiB, the segmentation left for
// the shaped link), which is what keeps it cheap. One thread, which also pays for the kernel's way
// of the packet to the receiver's link. Its cost and how late it was are in stats().
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "base/file.hpp"
#include "base/units.hpp"

namespace murder::lab {

struct RelayStats {
  std::uint64_t packets = 0;
  double cpu_seconds = 0;  ///< of the relay's thread
  double mean_late_s = 0;  ///< how much longer than asked for packets were held
  double most_late_s = 0;
};

class DelayRelay {
 public:
  /// Makes the device `name` in the calling thread's network namespace and sets it up; routing
  /// packets into it is the caller's. Error{failed} when the kernel refuses.
  DelayRelay(const std::string& name, Duration hold);
  /// Packets that it still holds are lost.
  ~DelayRelay();
  DelayRelay(const DelayRelay&) = delete;
  DelayRelay& operator=(const DelayRelay&) = delete;

  /// Any thread.
  RelayStats stats() const;

 private:
  using Packet = std::vector<std::uint8_t>;
  struct Held {
    Instant release;
    Packet bytes;
  };

  void run();
  void take_what_has_come();
  void pass_on_what_is_due();
  void wait();

  Duration hold_;
  Duration turn_;  ///< how often it looks while it holds something
  UniqueFd device_;
  UniqueFd stop_;
  std::deque<Held> held_;
  std::vector<Packet> spare_;  ///< buffers to use again
  Packet scratch_;
  bool stopping_ = false;  ///< of the thread alone
  std::atomic<std::uint64_t> packets_{0};
  std::atomic<std::int64_t> late_ns_{0};
  std::atomic<std::int64_t> most_late_ns_{0};
  std::atomic<std::int64_t> cpu_ns_{0};
  std::thread thread_;
};

}  // namespace murder::lab
