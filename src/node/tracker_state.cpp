#include "node/tracker_state.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "tracker/state.hpp"

namespace murder::node {
namespace {

constexpr Duration period = std::chrono::seconds(10);
constexpr int idle_share = 50;  // a write that takes 1 s is followed by 50 s without one

/// Without the torrents and the peers that are not served any more.
tracker::RegistryState admitted(tracker::RegistryState state, const tracker::Admission& admission) {
  const auto is_refused = [&](const InfoHash& torrent, const IpAddress& address) {
    AnnounceRequest request;
    request.info_hash = torrent;
    return !admission.refusal(request, address).empty();
  };
  for (tracker::SwarmState& swarm : state)
    std::erase_if(swarm.members, [&](const tracker::MemberState& member) {
      return is_refused(swarm.info_hash, member.endpoint.address);
    });
  std::erase_if(state, [&](const tracker::SwarmState& swarm) {
    return admission.torrents && admission.torrents->count(swarm.info_hash) == 0;
  });
  return state;
}

}  // namespace

TrackerState::TrackerState(std::filesystem::path path, tracker::Registry& registry,
                           const tracker::Admission& admission, Instant now,
                           std::function<void(const std::string&)> warn)
    : path_(std::move(path)), registry_(registry), warn_(std::move(warn)), next_(now + period) {
  if (!std::filesystem::exists(path_)) {
    write(true);
    return;
  }
  const std::string content = read_file(path_);
  registry.restore(admitted(tracker::parse_state(content, path_.native()), admission), now);
  written_ = sha256(content);
}

void TrackerState::refresh(Instant now) {
  if (now < next_) return;
  const auto begin = std::chrono::steady_clock::now();
  try {
    write(false);
    is_failing_ = false;
  } catch (const Error& error) {
    if (!is_failing_) warn_(error.what());
    is_failing_ = true;
  }
  const Duration took = std::chrono::steady_clock::now() - begin;
  next_ = now + std::max(period, idle_share * took);
}

void TrackerState::save() {
  try {
    write(true);
  } catch (const Error& error) {
    warn_(error.what());
  }
}

void TrackerState::write(bool durable) {
  const std::string content = tracker::encode_state(registry_.state());
  const Sha256Digest digest = sha256(content);
  if (digest == written_) return;
  write_file_atomically(path_, content, durable);
  written_ = digest;
}

}  // namespace murder::node
