#include "swarm/peer_book.hpp"

#include <algorithm>

namespace murder::swarm {
namespace {

Duration backoff(std::uint32_t failures) {
  const std::uint32_t doublings = std::min(failures, std::uint32_t{6}) - 1;
  return std::min<Duration>(std::chrono::milliseconds(500) * (1u << doublings),
                            std::chrono::seconds(15));
}

}  // namespace

void PeerBook::add(const Endpoint& endpoint, bool urgent, Instant now) {
  if (endpoint.port == 0 || endpoint.address.is_unspecified()) return;
  const auto [it, fresh] = known_.try_emplace(endpoint);
  Known& known = it->second;
  if (fresh) {
    if (order_.size() >= max_known) {
      known_.erase(it);
      return;
    }
    order_.push_back(endpoint);
    known.due = now;
  }
  if (known.spent) {
    known.spent = false;
    known.failures = 0;
    known.due = now;
  }
  known.urgent |= urgent;
}

void PeerBook::dial_failed(const Endpoint& endpoint, Instant now) {
  const auto it = known_.find(endpoint);
  if (it == known_.end() || it->second.state != State::dialling) return;
  Known& known = it->second;
  known.state = State::idle;
  ++known.failures;
  known.spent = known.failures >= max_failures;
  known.due = now + backoff(known.failures);
}

void PeerBook::connected(const Endpoint& endpoint) {
  const auto it = known_.find(endpoint);
  if (it == known_.end() || it->second.state == State::banned) return;
  it->second.state = State::connected;
  it->second.failures = 0;
}

void PeerBook::disconnected(const Endpoint& endpoint, Instant now) {
  const auto it = known_.find(endpoint);
  if (it == known_.end() || it->second.state == State::banned) return;
  Known& known = it->second;
  known.state = State::idle;
  known.failures = std::max(known.failures, std::uint32_t{1});
  known.due = now + backoff(known.failures);
}

void PeerBook::ban(const Endpoint& endpoint) { known_[endpoint].state = State::banned; }

bool PeerBook::banned(const Endpoint& endpoint) const {
  if (banned_addresses_.contains(endpoint.address)) return true;
  const auto it = known_.find(endpoint);
  return it != known_.end() && it->second.state == State::banned;
}

std::size_t PeerBook::dialling() const {
  return static_cast<std::size_t>(std::count_if(known_.begin(), known_.end(), [](const auto& k) {
    return k.second.state == State::dialling;
  }));
}

std::vector<Endpoint> PeerBook::take_due(Instant now, std::size_t links, std::size_t wanted) {
  std::vector<Endpoint> due;
  std::size_t expected = links + dialling();
  for (const bool urgent : {true, false})
    for (const Endpoint& endpoint : order_) {
      Known& known = known_.at(endpoint);
      if (known.state != State::idle || known.spent || known.urgent != urgent || known.due > now ||
          banned(endpoint))
        continue;
      if (!urgent && expected >= wanted) break;
      known.state = State::dialling;
      ++expected;
      due.push_back(endpoint);
    }
  return due;
}

std::optional<Instant> PeerBook::next_due(std::size_t links, std::size_t wanted) const {
  std::optional<Instant> next;
  const std::size_t expected = links + dialling();
  for (const auto& [endpoint, known] : known_) {
    if (known.state != State::idle || known.spent || banned(endpoint)) continue;
    if (!known.urgent && expected >= wanted) continue;
    if (!next || known.due < *next) next = known.due;
  }
  return next;
}

}  // namespace murder::swarm
