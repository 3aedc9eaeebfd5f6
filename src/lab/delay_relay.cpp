#include "lab/delay_relay.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <deque>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"

namespace murder::lab {
namespace {

constexpr std::size_t offload_header = 10;  // struct virtio_net_hdr, whose file C++ cannot read
constexpr std::size_t largest_packet = 64_KiB + offload_header;
constexpr std::chrono::microseconds shortest_turn{50};
constexpr std::chrono::microseconds longest_turn{250};
constexpr std::size_t packets_a_turn = 128;
constexpr std::size_t most_spare = 4096;
constexpr unsigned most_lanes = 4;
constexpr int queue_packets = 10'000;  // before the device: what may wait while the thread sleeps

ifreq request_for(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  return request;
}

/// One more queue of the device, which the first call makes.
UniqueFd open_queue(const std::string& name) {
  UniqueFd queue = open_file("/dev/net/tun", O_RDWR | O_NONBLOCK);
  ifreq request = request_for(name);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
  if (::ioctl(queue.get(), TUNSETIFF, &request) != 0)
    throw_system_error("cannot make the device", name, errno);
  // Large packets come whole: without this every one would be cut up before it is held.
  if (::ioctl(queue.get(), TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) != 0)
    throw_system_error("cannot set offloads of", name, errno);
  return queue;
}

void set_up(const std::string& name) {
  const UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = request_for(name);
  request.ifr_qlen = queue_packets;
  if (!control || ::ioctl(control.get(), SIOCSIFTXQLEN, &request) != 0)
    throw_system_error("cannot set the queue of", name, errno);
  request = request_for(name);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(control.get(), SIOCSIFFLAGS, &request) != 0)
    throw_system_error("cannot set up", name, errno);
}

std::int64_t nanoseconds(Duration d) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
}

}  // namespace

class DelayRelay::Lane {
 public:
  /// `stop` becomes readable when the lane has to end.
  Lane(UniqueFd queue, Duration hold, int stop)
      : hold_(hold),
        turn_(std::clamp<Duration>(hold / 25, shortest_turn, longest_turn)),
        queue_(std::move(queue)),
        stop_(stop),
        scratch_(largest_packet),
        thread_([this] { run(); }) {}
  ~Lane() { thread_.join(); }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  struct Counts {
    std::atomic<std::uint64_t> packets{0};
    std::atomic<std::int64_t> late_ns{0};
    std::atomic<std::int64_t> most_late_ns{0};
    std::atomic<std::int64_t> cpu_ns{0};
  };
  const Counts& counts() const { return counts_; }

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
  UniqueFd queue_;
  int stop_;
  std::deque<Held> held_;
  std::vector<Packet> spare_;  ///< buffers to use again
  Packet scratch_;
  bool stopping_ = false;  ///< of the thread alone
  Counts counts_;
  std::thread thread_;  ///< last: it uses all the others
};

DelayRelay::DelayRelay(const std::string& name, Duration hold) : stop_(::eventfd(0, EFD_CLOEXEC)) {
  if (!stop_) throw_system_error("cannot make", "an event descriptor", errno);
  std::vector<UniqueFd> queues;
  for (unsigned i = 0; i < std::clamp(std::thread::hardware_concurrency(), 1U, most_lanes); ++i)
    queues.push_back(open_queue(name));
  set_up(name);
  try {
    for (UniqueFd& queue : queues)
      lanes_.push_back(std::make_unique<Lane>(std::move(queue), hold, stop_.get()));
  } catch (...) {
    stop();  // the lanes that do run
    throw;
  }
}

DelayRelay::~DelayRelay() { stop(); }

void DelayRelay::stop() { ::eventfd_write(stop_.get(), 1); }

RelayStats DelayRelay::stats() const {
  RelayStats out;
  double late_s = 0;
  for (const auto& lane : lanes_) {
    const Lane::Counts& counts = lane->counts();
    out.packets += counts.packets;
    out.cpu_seconds += static_cast<double>(counts.cpu_ns) / 1e9;
    out.most_late_s = std::max(out.most_late_s, static_cast<double>(counts.most_late_ns) / 1e9);
    late_s += static_cast<double>(counts.late_ns) / 1e9;
  }
  if (out.packets > 0) out.mean_late_s = late_s / static_cast<double>(out.packets);
  return out;
}

void DelayRelay::Lane::run() {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  ::prctl(PR_SET_TIMERSLACK, 1UL);  // the default rounds every wait up by 50 µs
  // A network's delay does not depend on how busy its hosts are. Without leave it is as it is. Not
  // SCHED_FIFO: when the processor is full that is cut off for 50 ms of every second.
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), -20);
  while (!stopping_) {
    take_what_has_come();
    pass_on_what_is_due();
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    counts_.cpu_ns = std::int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
    wait();
  }
}

void DelayRelay::Lane::take_what_has_come() {
  // While turns are taken a packet has come half a turn ago, on average.
  const Instant came =
      std::chrono::steady_clock::now() - (held_.empty() ? Duration::zero() : turn_ / 2);
  // Not until there are no more: while they come as fast as they are taken none would leave.
  for (std::size_t i = 0; i < packets_a_turn; ++i) {
    const ssize_t got = ::read(queue_.get(), scratch_.data(), scratch_.size());
    if (got <= 0) return;
    Packet bytes;
    if (!spare_.empty()) {
      bytes = std::move(spare_.back());
      spare_.pop_back();
    }
    bytes.assign(scratch_.begin(), scratch_.begin() + got);
    held_.push_back({came + hold_, std::move(bytes)});
  }
}

void DelayRelay::Lane::pass_on_what_is_due() {
  while (!held_.empty()) {
    const Duration late = std::chrono::steady_clock::now() - held_.front().release;
    if (late < Duration::zero()) return;
    Held held = std::move(held_.front());
    held_.pop_front();
    // What the kernel does not take is lost, as on any network.
    [[maybe_unused]] const ssize_t written =
        ::write(queue_.get(), held.bytes.data(), held.bytes.size());
    const std::int64_t late_ns = nanoseconds(late);
    ++counts_.packets;
    counts_.late_ns += late_ns;
    counts_.most_late_ns = std::max<std::int64_t>(counts_.most_late_ns, late_ns);
    if (spare_.size() < most_spare) spare_.push_back(std::move(held.bytes));
  }
}

void DelayRelay::Lane::wait() {
  // With packets in hand it looks once a turn, since waking up for each would cost more than all
  // else that it does; without, it waits for one.
  const bool behind = !held_.empty() && held_.front().release < std::chrono::steady_clock::now();
  const auto ns = behind ? 0L : static_cast<long>(nanoseconds(turn_));
  const timespec turn{.tv_sec = 0, .tv_nsec = ns};
  std::array<pollfd, 2> watched{{{stop_, POLLIN, 0}, {queue_.get(), POLLIN, 0}}};
  if (held_.empty())
    ::ppoll(watched.data(), 2, nullptr, nullptr);
  else
    ::ppoll(watched.data(), 1, &turn, nullptr);
  stopping_ = (watched[0].revents & POLLIN) != 0;
}

}  // namespace murder::lab
