#include "tracker/registry.hpp"

#include <map>

#include "tracker/swarm.hpp"

namespace murder::tracker {
namespace {

constexpr std::size_t max_swarms = 1000;
constexpr Duration keep_deserted = std::chrono::hours(1);  // for reports and scrapes

/// Addresses that mean something only on the machine (or the wire) that names them.
bool is_local(const IpAddress& address) {
  const auto& b = address.bytes();
  if (address.is_v4()) return b[12] == 127 || (b[12] == 169 && b[13] == 254);
  const bool is_loopback = address == IpAddress::parse("::1");
  return is_loopback || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

bool is_unicast(const IpAddress& address) {
  const auto& b = address.bytes();
  if (address.is_unspecified()) return false;
  return address.is_v4() ? b[12] != 0 && b[12] < 224 : b[0] != 0xff;
}

/// What others can dial: the address that the client asks for if it makes sense, else the one it
/// came from.
IpAddress reachable_address(const AnnounceRequest& request, const IpAddress& remote) {
  if (request.ip && is_unicast(*request.ip) && (!is_local(*request.ip) || is_local(remote)))
    return *request.ip;
  return remote;
}

AnnounceReply refuse(std::string reason) {
  AnnounceReply reply;
  reply.failure_reason = std::move(reason);
  return reply;
}

}  // namespace

struct Registry::Impl {
  RegistryOptions options;
  Random random;
  std::map<InfoHash, Swarm> swarms;

  /// Makes room for one more; false when every swarm has somebody in it.
  bool drop_longest_deserted() {
    auto oldest = swarms.end();
    for (auto it = swarms.begin(); it != swarms.end(); ++it) {
      if (!it->second.is_deserted()) continue;
      if (oldest == swarms.end() || it->second.last_announce() < oldest->second.last_announce())
        oldest = it;
    }
    if (oldest == swarms.end()) return false;
    swarms.erase(oldest);
    return true;
  }
};

Registry::Registry(RegistryOptions options, Random random)
    : impl_(std::make_unique<Impl>(Impl{options, random, {}})) {}
Registry::~Registry() = default;

AnnounceReply Registry::announce(const AnnounceRequest& request, const IpAddress& remote,
                                 Instant now) {
  if (request.port == 0) return refuse("port must not be 0");
  auto swarm = impl_->swarms.find(request.info_hash);
  if (swarm == impl_->swarms.end()) {
    if (request.event == AnnounceEvent::stopped) {
      // Nothing to forget; answered as a swarm without members would.
      Swarm nobody(impl_->options, now);
      return nobody.announce(request, Endpoint{remote, request.port}, now, impl_->random);
    }
    if (impl_->swarms.size() >= max_swarms && !impl_->drop_longest_deserted())
      return refuse("this tracker has no room for another torrent");
    swarm = impl_->swarms.try_emplace(request.info_hash, impl_->options, now).first;
  }
  const Endpoint endpoint{reachable_address(request, remote), request.port};
  return swarm->second.announce(request, endpoint, now, impl_->random);
}

std::vector<ScrapeEntry> Registry::scrape(const std::vector<InfoHash>& wanted) const {
  std::vector<ScrapeEntry> entries;
  if (wanted.empty()) {
    for (const auto& [info_hash, swarm] : impl_->swarms) entries.push_back(swarm.scrape(info_hash));
  }
  for (const InfoHash& info_hash : wanted) {
    const auto swarm = impl_->swarms.find(info_hash);
    if (swarm != impl_->swarms.end()) entries.push_back(swarm->second.scrape(info_hash));
  }
  return entries;
}

std::vector<SwarmView> Registry::swarms(Instant now) const {
  std::vector<SwarmView> views;
  for (const auto& [info_hash, swarm] : impl_->swarms) views.push_back(swarm.view(info_hash, now));
  return views;
}

void Registry::expire(Instant now) {
  for (auto swarm = impl_->swarms.begin(); swarm != impl_->swarms.end();) {
    swarm->second.expire(now);
    const bool is_over =
        swarm->second.is_deserted() && now - swarm->second.last_announce() >= keep_deserted;
    swarm = is_over ? impl_->swarms.erase(swarm) : std::next(swarm);
  }
}

RegistryState Registry::state() const {
  RegistryState state;
  for (const auto& [info_hash, swarm] : impl_->swarms) state.push_back(swarm.state(info_hash));
  return state;
}

void Registry::restore(const RegistryState& state, Instant now) {
  for (const SwarmState& swarm : state)
    if (impl_->swarms.size() < max_swarms)
      impl_->swarms.try_emplace(swarm.info_hash, impl_->options, swarm, now);
}

}  // namespace murder::tracker
