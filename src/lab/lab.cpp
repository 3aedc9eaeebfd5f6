#include "lab/lab.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <sched.h>
#include <thread>

#include "base/error.hpp"
#include "lab/delay_relay.hpp"
#include "lab/namespace_lab.hpp"
#include "lab/spawner.hpp"

namespace murder::lab {
namespace {

/// Hosts that are nothing but addresses of the loopback interface.
class LoopbackLab final : public Lab {
 public:
  explicit LoopbackLab(std::size_t hosts) : hosts_(hosts) {
    constexpr std::size_t most = 4000;
    if (hosts < 1 || hosts > most)
      throw Error(ErrorKind::usage,
                  fmt::format("cannot make a lab of {} hosts: 1 to {}", hosts, most));
  }

  bool has_shaped_links() const override { return false; }
  std::size_t host_count() const override { return hosts_; }

  IpAddress address(std::size_t host) const override {
    if (host >= hosts_)
      throw Error(ErrorKind::failed,
                  fmt::format("the lab has no host {}, only {} hosts, from 0 on", host, hosts_));
    const std::size_t number = (1U << 8) + host + 1;  // 127.0.1.1 and on: 127.0.0.1 is everybody's
    return IpAddress::v4(
        {127, 0, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number & 0xff)});
  }

  Process spawn(std::size_t host, const std::vector<std::string>& argv, int stdout_fd,
                int stderr_fd) override {
    address(host);
    return Process(spawner_.spawn({.argv = argv, .stdout_fd = stdout_fd, .stderr_fd = stderr_fd}));
  }

  void on_host(std::size_t host, const std::function<void()>& work) override {
    address(host);
    work();
  }

  std::uint64_t bytes_sent(std::size_t host) const override {
    address(host);
    return 0;
  }

  void set_link(std::size_t, const Link&) override {
    throw Error(ErrorKind::failed, "cannot shape a link on loopback: make the lab with namespaces");
  }

  void unplug(std::size_t host) override { address(host); }
  void plug_in(std::size_t host) override { address(host); }

  std::optional<RelayStats> relay_stats() const override { return std::nullopt; }

 private:
  std::size_t hosts_;
  Spawner spawner_;
};

}  // namespace

bool Lab::can_make_namespaces(std::string* why_not) {
  std::string reason;
  for (const char* const tool : {"ip", "tc", "bridge"})
    if (find_program(tool).empty()) reason = fmt::format("{} is missing (package iproute2)", tool);
  if (reason.empty()) {
    // Tried in a thread that ends here, and the namespace with it.
    int error_number = 0;
    std::thread([&] {
      if (::unshare(CLONE_NEWNET) != 0) error_number = errno;
    }).join();
    if (error_number != 0)
      reason =
          fmt::format("the kernel gives no network namespace: {}{}", system_reason(error_number),
                      error_number == EPERM ? " (it needs root)" : "");
  }
  if (why_not != nullptr) *why_not = reason;
  return reason.empty();
}

std::unique_ptr<Lab> Lab::with_namespaces(const LabOptions& options) {
  return std::make_unique<NamespaceLab>(options);
}

std::unique_ptr<Lab> Lab::on_loopback(const LabOptions& options) {
  return std::make_unique<LoopbackLab>(options.hosts);
}

}  // namespace murder::lab
