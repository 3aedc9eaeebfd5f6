#include "swarm/announcer.hpp"

#include <algorithm>
#include <utility>

namespace murder::swarm {
namespace {
constexpr Duration first_retry = std::chrono::milliseconds(250);
constexpr Duration last_retry = std::chrono::seconds(5);
constexpr Duration soonest = std::chrono::seconds(1);
}  // namespace

Announcer::Announcer(std::vector<std::string> trackers) : trackers_(std::move(trackers)) {}

void Announcer::start(Instant now) { due_ = now; }

void Announcer::add_first(const std::string& tracker, Instant now) {
  std::erase(trackers_, tracker);
  trackers_.insert(trackers_.begin(), tracker);
  current_ = 0;
  failures_ = 0;
  under_way_ = false;
  if (due_) due_ = now;
}

std::optional<Instant> Announcer::next_due() const {
  return under_way_ || trackers_.empty() ? std::nullopt : due_;
}

std::optional<Announcer::Order> Announcer::take_due(Instant now) {
  if (under_way_ || trackers_.empty() || !due_ || *due_ > now) return std::nullopt;
  under_way_ = true;
  last_ = now;
  // One who has it all from the start never says "completed" (BEP 3).
  event_under_way_ = !started_said_     ? AnnounceEvent::started
                     : complete_to_say_ ? AnnounceEvent::completed
                                        : AnnounceEvent::none;
  return Order{trackers_[current_], event_under_way_};
}

void Announcer::complete(Instant now) {
  complete_to_say_ = true;
  due_ = now;
}

void Announcer::want_peers(Instant now) {
  if (!due_ || failures_ > 0) return;
  due_ = std::min(*due_, std::max(now, last_ + soonest));
}

void Announcer::succeeded(const AnnounceReply& reply, Instant now) {
  under_way_ = false;
  failures_ = 0;
  if (event_under_way_ == AnnounceEvent::started) started_said_ = true;
  if (event_under_way_ == AnnounceEvent::completed) complete_to_say_ = false;
  interval_ =
      std::clamp<Duration>(std::chrono::seconds(reply.interval_s), soonest, std::chrono::hours(1));
  due_ = complete_to_say_ && started_said_ ? now : now + interval_;
}

void Announcer::failed(Instant now) {
  under_way_ = false;
  ++failures_;
  current_ = (current_ + 1) % trackers_.size();
  const std::size_t round = failures_ / trackers_.size();
  if (failures_ % trackers_.size() != 0) {
    due_ = now;  // another tracker has not been asked in this round
    return;
  }
  const auto doublings = std::min<std::size_t>(round - 1, 5);
  due_ = now + std::min(first_retry * (1 << doublings), last_retry);
}

}  // namespace murder::swarm
