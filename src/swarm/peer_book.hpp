// Whom to dial, when to try again, whom never: the redial policy. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/digest.hpp"
#include "base/endpoint.hpp"
#include "base/random.hpp"
#include "base/units.hpp"

namespace murder::swarm {

class PeerBook {
 public:
  /// Someone to dial. `urgent`: the tracker says so (an edge of its graph); others are dialled only
  /// while links are too few.
  void add(const Endpoint& endpoint, bool urgent, Instant now);
  /// Dialled too, but not found: tried again after 0.5 s, 1 s, 2 s … 15 s, five times; then
  /// forgotten until named again.
  void dial_failed(const Endpoint& endpoint, Instant now);
  void connected(const Endpoint& endpoint);
  bool knows(const Endpoint& endpoint) const { return known_.contains(endpoint); }
  /// A link to it ended: worth another try after a moment.
  void disconnected(const Endpoint& endpoint, Instant now);
  /// It is this process itself, or has sent wrong data: never again.
  void ban(const Endpoint& endpoint);
  /// Every port of that address.
  void ban(const IpAddress& address) { banned_addresses_.insert(address); }
  bool banned(const Endpoint& endpoint) const;

  /// Whom to dial now; they count as being dialled. `links` is how many there are, `wanted` how
  /// many there should be.
  std::vector<Endpoint> take_due(Instant now, std::size_t links, std::size_t wanted);
  std::optional<Instant> next_due(std::size_t links, std::size_t wanted) const;
  std::size_t dialling() const;

 private:
  enum class State { idle, dialling, connected, banned };
  struct Known {
    State state = State::idle;
    bool urgent = false;
    bool spent = false;  ///< tried often enough; waits to be named again
    std::uint32_t failures = 0;
    Instant due{};
  };
  static constexpr std::uint32_t max_failures = 6;
  static constexpr std::size_t max_known = 4096;

  std::unordered_map<Endpoint, Known> known_;
  std::vector<Endpoint> order_;  ///< as they came, so that runs repeat
  std::set<IpAddress> banned_addresses_;
};

}  // namespace murder::swarm
