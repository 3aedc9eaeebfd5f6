// A relay that holds every packet for a fixed time: what makes a lab's round trip long where the
// kernel has no netem. It is a TUN device in the bridge's namespace: all that hosts send is routed
// into it, waits, and comes out of it again.
//
// Packets pass it as large as the hosts' TCP makes them (up to 64 KiB, the segmentation left for
// the shaped link). Each core has a lane: a queue of the device and a thread, which also pays for
// the kernel's way of the packet to the receiver; the kernel keeps a connection's packets, both
// ways, on one lane. What it cost and how late it was are in stats().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/units.hpp"

namespace murder::lab {

struct RelayStats {
  std::uint64_t packets = 0;
  double cpu_seconds = 0;  ///< of the relay's threads
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

  /// Of all lanes. Any thread.
  RelayStats stats() const;

 private:
  class Lane;

  void stop();

  UniqueFd stop_;
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace murder::lab
