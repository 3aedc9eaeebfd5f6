// Peers for tests of the tracker: requests with distinct ids and addresses, and virtual time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "tracker/registry.hpp"
#include "tracker/state.hpp"

namespace murder::tracker::test {

using std::chrono::seconds;

inline InfoHash torrent(std::uint8_t n) {
  InfoHash hash;
  hash.bytes.fill(n);
  return hash;
}

inline PeerId peer_id(std::uint32_t n) {
  PeerId id = *PeerId::from_bytes("-MU0100-xxxxxxxxxxxx");
  for (std::size_t i = 0; i < 4; ++i)
    id.bytes[16 + i] = static_cast<std::uint8_t>(n >> (24 - 8 * i));
  return id;
}

/// A private address of its own for each n.
inline IpAddress address(std::uint32_t n) {
  return IpAddress::v4({10, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
                        static_cast<std::uint8_t>(n)});
}

inline Endpoint endpoint(std::uint32_t n) { return {address(n), 8999}; }

/// At a seeder.
inline const std::uint32_t places = RegistryOptions{}.seeder_degree;

inline constexpr std::uint64_t everything = 1'000'000;  // bytes: `left` of one who has nothing

inline AnnounceRequest request(std::uint32_t n, AnnounceRole role, std::uint64_t left,
                               AnnounceEvent event = AnnounceEvent::started) {
  AnnounceRequest r;
  r.info_hash = torrent(1);
  r.peer_id = peer_id(n);
  r.port = 8999;
  r.left = left;
  r.event = event;
  r.role = role;
  if (role == AnnounceRole::host) r.host_name = "host-" + std::to_string(n);
  return r;
}

inline AnnounceRequest host(std::uint32_t n, std::uint64_t left = everything,
                            AnnounceEvent event = AnnounceEvent::started) {
  return request(n, AnnounceRole::host, left, event);
}
inline AnnounceRequest seeder(std::uint32_t n, AnnounceEvent event = AnnounceEvent::started) {
  return request(n, AnnounceRole::seeder, 0, event);
}
inline AnnounceRequest stock(std::uint32_t n, std::uint64_t left = everything,
                             AnnounceEvent event = AnnounceEvent::started) {
  return request(n, AnnounceRole::stock, left, event);
}

/// A registry with one torrent and a clock that tests move.
struct Tracker {
  explicit Tracker(RegistryOptions with = {}, std::uint64_t seed = 1)
      : options(with), registry(std::make_unique<Registry>(with, Random(seed))) {}

  /// Ends, and begins again with the state that it has written.
  void restart() {
    const std::string file = encode_state(registry->state());
    registry = std::make_unique<Registry>(options, Random(2));
    registry->restore(parse_state(file, "state"), now);
  }

  /// The request comes from address(n), where n is in the peer's id.
  AnnounceReply announce(const AnnounceRequest& r) {
    const auto& id = r.peer_id.bytes;
    const std::uint32_t n = static_cast<std::uint32_t>(id[16]) << 24 |
                            static_cast<std::uint32_t>(id[17]) << 16 |
                            static_cast<std::uint32_t>(id[18]) << 8 | id[19];
    return registry->announce(r, address(n), now);
  }
  AnnounceReply announce_from(std::uint32_t where, const AnnounceRequest& r) {
    return registry->announce(r, address(where), now);
  }
  void wait(Duration time) {
    now += time;
    registry->expire(now);
  }
  SwarmView view() const { return registry->swarms(now).at(0); }
  ScrapeEntry scrape() const { return registry->scrape({torrent(1)}).at(0); }

  RegistryOptions options;
  std::unique_ptr<Registry> registry;
  Instant now{std::chrono::hours(1)};
};

}  // namespace murder::tracker::test
