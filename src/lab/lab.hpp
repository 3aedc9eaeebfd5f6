// Hosts on one machine: network namespaces joined by a bridge (in a namespace of its own), each
// with a shaped link both ways; or, without root, loopback addresses from 127.0.1.1 on, unshaped.
// For the demo, the bench and the tests. Everything made is gone when the Lab is, also after an
// exception or a signal that unwinds; what a killed process left behind is removed by the next
// Lab. 64 shaped hosts are ready in about half a second.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/endpoint.hpp"
#include "base/units.hpp"

namespace murder::lab {

/// The bandwidth of one host's link, each way, with tbf: burst max(64 KiB, 4 ms), limit max(256
/// KiB, 20 ms).
struct Link {
  Rate up;
  Rate down;
};

/// Two racks: the hosts before `first_rack` stand in one, the others in the second, and all that
/// passes between them shares one thin link.
struct Racks {
  std::size_t first_rack = 0;  ///< how many hosts stand in the first; 1..hosts-1
  Rate between;                ///< of the thin link, each way
};

/// All but `hosts` are without effect on loopback.
struct LabOptions {
  std::size_t hosts = 0;          ///< 1..1023 with namespaces (a bridge has no more ports), 1..4000
  std::optional<Link> link = {};  ///< absent: unshaped
  std::string congestion_control = {};  ///< "cubic"; empty: the kernel's default
  std::optional<Racks> racks = {};
  Duration round_trip = {};  ///< added to the network's own by a relay; not together with racks
  double loss = 0;           ///< this share of all packets is lost, at random; 0 up to 0.5
};

/// What the relay that makes the round trip longer has done; see lab/delay_relay.hpp.
struct RelayStats;
class Process;

/// All functions may be called from any thread, one at a time a host.
class Lab {
 public:
  /// True when namespaces can be made here (root, iproute2); `why_not` says what is missing.
  static bool can_make_namespaces(std::string* why_not = nullptr);
  /// Addresses 198.18.0.1 and on (RFC 2544's range for such tests). Error{failed} naming the step
  /// that the kernel or iproute2 refused; whatever was made is removed. Error{usage} on options
  /// out of range.
  static std::unique_ptr<Lab> with_namespaces(const LabOptions& options);
  /// Addresses 127.0.1.1 and on, which every lab on loopback shares: let the kernel pick ports.
  static std::unique_ptr<Lab> on_loopback(const LabOptions& options);
  /// Kills what still runs in it.
  virtual ~Lab() = default;

  virtual bool has_shaped_links() const = 0;
  virtual std::size_t host_count() const = 0;
  virtual IpAddress address(std::size_t host) const = 0;
  /// Runs `argv` on that host (in its namespace); argv[0] is looked up in PATH. stdin is /dev/null,
  /// stdout and stderr go to the given descriptors (-1: /dev/null), no other descriptor is
  /// inherited; it has no controlling terminal. The child is killed when this process dies or the
  /// Lab goes, whichever thread asked for it. Error{failed} when it cannot be started.
  virtual Process spawn(std::size_t host, const std::vector<std::string>& argv, int stdout_fd,
                        int stderr_fd) = 0;
  /// A function run with the calling thread inside that host's namespace (setns(2)): sockets made
  /// in it stay there. What `work` throws comes through.
  virtual void on_host(std::size_t host, const std::function<void()>& work) = 0;
  /// Bytes that left the host's link since it was made (its interface's counter); 0 on loopback.
  virtual std::uint64_t bytes_sent(std::size_t host) const = 0;
  /// Shapes the link anew, in mid-transfer if need be. Error{failed} on loopback.
  virtual void set_link(std::size_t host, const Link& link) = 0;
  /// As when the host's cable is pulled out: nothing reaches it and nothing leaves it, and nobody
  /// is told. Without effect on loopback, and on one that is out already.
  virtual void unplug(std::size_t host) = 0;
  virtual void plug_in(std::size_t host) = 0;
  /// nullopt when the lab has no relay.
  virtual std::optional<RelayStats> relay_stats() const = 0;
};

/// A child that this process started; ended (SIGTERM, then SIGKILL after 2 s) and reaped when
/// destroyed. One thread at a time.
class Process {
 public:
  Process() = default;
  explicit Process(pid_t pid) : pid_(pid) {}
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();
  pid_t pid() const { return pid_; }
  /// Without effect on a child that has been reaped.
  void signal(int number);
  /// Exit status, or 128 + signal; nullopt while it runs.
  std::optional<int> poll();
  int wait();
  /// User and system processor time of the reaped child, seconds (wait4's rusage); 0 before.
  double cpu_seconds() const { return cpu_seconds_; }
  /// Peak resident memory of the reaped child, bytes.
  std::uint64_t peak_rss_bytes() const { return peak_rss_bytes_; }

 private:
  /// wait4 with these options; true when the child is reaped.
  bool reap(int options);
  void end() noexcept;
  pid_t pid_ = -1;
  std::optional<int> status_;
  double cpu_seconds_ = 0;
  std::uint64_t peak_rss_bytes_ = 0;
};

/// One plain TCP copy of `file` from one host to another: the reference that every ratio is
/// against. sendfile out, received and thrown away. The time from connect to the last byte
/// received. Error{failed} when that takes longer than `limit`.
Duration plain_copy(Lab& lab, std::size_t from, std::size_t to, const std::filesystem::path& file,
                    Duration limit = std::chrono::minutes(10));
/// One server copies to all the others at once (fan-out); the time until the last has it.
Duration fan_out_copy(Lab& lab, std::size_t from, const std::vector<std::size_t>& to,
                      const std::filesystem::path& file, Duration limit = std::chrono::minutes(10));
/// The first host copies to the second, which passes on to the third what it receives while it
/// receives it, and so on; how long each but the first took, in their order. Error{failed} as
/// above.
std::vector<Duration> chain_copy(Lab& lab, const std::vector<std::size_t>& hosts,
                                 const std::filesystem::path& file,
                                 Duration limit = std::chrono::minutes(10));

}  // namespace murder::lab
