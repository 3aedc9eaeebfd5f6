// A Lab of network namespaces: see lab.hpp for what it promises, namespace_lab.cpp for how.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lab/delay_relay.hpp"
#include "lab/lab.hpp"
#include "lab/spawner.hpp"

namespace murder::lab {

class NamespaceLab final : public Lab {
 public:
  /// As Lab::with_namespaces.
  explicit NamespaceLab(const LabOptions& options);
  ~NamespaceLab() override;
  NamespaceLab(const NamespaceLab&) = delete;
  NamespaceLab& operator=(const NamespaceLab&) = delete;

  bool has_shaped_links() const override { return shaped_; }
  std::size_t host_count() const override { return options_.hosts; }
  IpAddress address(std::size_t host) const override;
  Process spawn(std::size_t host, const std::vector<std::string>& argv, int stdout_fd,
                int stderr_fd) override;
  void on_host(std::size_t host, const std::function<void()>& work) override;
  std::uint64_t bytes_sent(std::size_t host) const override;
  void set_link(std::size_t host, const Link& link) override;
  void unplug(std::size_t host) override;
  void plug_in(std::size_t host) override;
  std::optional<RelayStats> relay_stats() const override;

 private:
  void make_namespaces();
  void make_bridge(std::size_t rack);
  void join_racks();
  void lose_packets(std::size_t rack);
  void make_relay();
  void make_hosts();
  /// Of the host's port of the bridge: "up" or "down".
  void set_port(std::size_t host, const char* state);
  const std::string& name_of(std::size_t host) const;
  std::size_t rack_of(std::size_t host) const;
  /// The namespace of a rack's bridge.
  UniqueFd bridge_of(std::size_t rack) const;
  std::size_t rack_count() const { return options_.racks ? 2 : 1; }

  LabOptions options_;
  std::atomic<bool> shaped_;
  std::vector<std::string> names_;  ///< the bridges' namespaces, then the hosts'
  std::unique_ptr<DelayRelay> relay_;
  std::optional<Spawner> spawner_;  ///< ended first: with it go the children
};

}  // namespace murder::lab
