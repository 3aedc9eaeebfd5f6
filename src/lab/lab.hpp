// Hosts on one machine: network namespaces joined by a bridge (in a namespace of its own), each
// with a shaped link both ways; or, without root, loopback addresses 127.0.1.x, unshaped. For the
// demo, the bench and the tests. Everything made is gone when the Lab is, also after an exception
// or a signal that unwinds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/endpoint.hpp"
#include "base/file.hpp"
#include "base/units.hpp"

namespace murder::lab {

/// The bandwidth of one host's link, each way, with tbf: burst max(64 KiB, 4 ms), limit max(256
/// KiB, 20 ms).
struct Link {
  Rate up;
  Rate down;
};

struct LabOptions {
  std::size_t hosts = 0;           ///< 1..4000
  std::optional<Link> link;        ///< absent: unshaped
  std::string congestion_control;  ///< "cubic"; empty: the kernel's default
};

class Process;

class Lab {
 public:
  /// True when namespaces can be made here (root, iproute2); `why_not` says what is missing.
  static bool can_make_namespaces(std::string* why_not = nullptr);
  /// Error{failed} naming the step that the kernel or iproute2 refused; whatever was made is
  /// removed.
  static std::unique_ptr<Lab> with_namespaces(const LabOptions& options);
  static std::unique_ptr<Lab> on_loopback(const LabOptions& options);
  virtual ~Lab() = default;

  virtual bool has_shaped_links() const = 0;
  virtual std::size_t host_count() const = 0;
  virtual IpAddress address(std::size_t host) const = 0;
  /// Runs `argv` on that host (in its namespace). stdout and stderr go to the given descriptors
  /// (-1: /dev/null).
  virtual Process spawn(std::size_t host, const std::vector<std::string>& argv, int stdout_fd,
                        int stderr_fd) = 0;
  /// A function run with the calling thread inside that host's namespace (setns(2)): sockets made
  /// in it stay there.
  virtual void on_host(std::size_t host, const std::function<void()>& work) = 0;
  /// Bytes that left the host's link since it was made (its interface's counter); 0 on loopback.
  virtual std::uint64_t bytes_sent(std::size_t host) const = 0;
  virtual void set_link(std::size_t host, const Link& link) = 0;
};

/// A child that this process started; ended (SIGTERM, then SIGKILL after 2 s) and reaped when
/// destroyed.
class Process {
 public:
  Process() = default;
  explicit Process(pid_t pid) : pid_(pid) {}
  Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)), status_(other.status_) {}
  Process& operator=(Process&& other) noexcept;
  ~Process();
  pid_t pid() const { return pid_; }
  void signal(int number);
  /// Exit status, or 128 + signal; nullopt while it runs.
  std::optional<int> poll();
  int wait();
  /// User and system processor time of the reaped child, seconds (wait4's rusage); 0 before.
  double cpu_seconds() const { return cpu_seconds_; }
  /// Peak resident memory of the reaped child, bytes.
  std::uint64_t peak_rss_bytes() const { return peak_rss_bytes_; }

 private:
  void end();
  pid_t pid_ = -1;
  std::optional<int> status_;
  double cpu_seconds_ = 0;
  std::uint64_t peak_rss_bytes_ = 0;
};

/// One plain TCP copy of `file` from one host to another: the reference that every ratio is
/// against. sendfile out, received and thrown away. Seconds from connect to the last byte received.
Duration plain_copy(Lab& lab, std::size_t from, std::size_t to, const std::filesystem::path& file);
/// One server copies to all the others at once (fan-out); seconds until the last has it.
Duration fan_out_copy(Lab& lab, std::size_t from, const std::vector<std::size_t>& to,
                      const std::filesystem::path& file);

}  // namespace murder::lab
