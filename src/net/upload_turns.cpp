#include "net/upload_turns.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

namespace murder::net {
namespace {

using std::chrono::milliseconds;

/// A turn may last so many times as long as all places need for a block each.
constexpr double fair_turns = 4;
constexpr double fair_turns_when_slow = 1;
constexpr Duration least_patience = milliseconds(5);
constexpr Duration most_patience = milliseconds(2000);
constexpr Duration patience_at_first = milliseconds(500);  ///< nothing has left yet

/// All sockets whose turn it is together: so much of the uplink's time, at most.
constexpr double seconds_in_sockets = 0.1;
constexpr double round_trips_in_sockets = 3;
constexpr std::size_t least_socket_bytes = 4_KiB;
constexpr std::size_t most_socket_bytes = 32_KiB;  ///< more is left to the kernel
constexpr std::size_t largest_socket_bytes = 4_MiB;

Instant clock_now() { return std::chrono::steady_clock::now(); }

}  // namespace

Duration TurnQueue::patience(const Turn& turn) const {
  if (seconds_between_ == 0) return patience_at_first;
  const double turns = turn.slow_ ? fair_turns_when_slow : fair_turns;
  return std::clamp(from_seconds(turns * places * seconds_between_), least_patience, most_patience);
}

void TurnQueue::note_left(Instant now) {
  if (last_left_) {
    const double seconds = to_seconds(now - *last_left_);
    seconds_between_ += (seconds_between_ == 0 ? 1 : 0.1) * (seconds - seconds_between_);
  }
  last_left_ = now;
}

bool TurnQueue::may_begin(Turn& turn, Instant now) {
  if (turn.state_ == Turn::State::waiting) return false;
  if (turn.state_ != Turn::State::called) {
    if (turn.state_ != Turn::State::none) note_left(now);
    if (turn.state_ == Turn::State::running) turn.slow_ = false;
    std::erase(running_, &turn);
    turn.state_ = Turn::State::waiting;
    waiting_.push_back(&turn);
    call_next(now, &turn);
    if (turn.state_ != Turn::State::called) return false;
  }
  turn.state_ = Turn::State::running;
  turn.since_ = now;
  return true;
}

void TurnQueue::end(Turn& turn, Instant now) {
  std::erase(waiting_, &turn);
  turn.state_ = Turn::State::none;
  if (std::erase(running_, &turn) > 0) call_next(now, nullptr);
  if (running_.empty()) last_left_.reset();  // idle from here on
}

/// All but `asking`, who is told in another way.
void TurnQueue::call_next(Instant now, const Turn* asking) {
  while (!waiting_.empty() && running_.size() < places) {
    const auto first =
        std::min_element(waiting_.begin(), waiting_.end(),
                         [](const Turn* a, const Turn* b) { return a->rank_ < b->rank_; });
    Turn& next = **first;
    waiting_.erase(first);
    next.state_ = Turn::State::called;
    next.since_ = now;
    running_.push_back(&next);
    if (&next != asking) next.on_called_();
  }
}

void TurnQueue::tick(Instant now) {
  if (waiting_.empty()) return;
  const auto lapsed = std::stable_partition(running_.begin(), running_.end(), [&](const Turn* t) {
    return now - t->since_ < patience(*t);
  });
  for (auto it = lapsed; it != running_.end(); ++it) {
    (*it)->state_ = Turn::State::lapsed;
    (*it)->slow_ = true;
  }
  running_.erase(lapsed, running_.end());
  call_next(now, nullptr);
}

std::optional<Instant> TurnQueue::next_tick() const {
  if (waiting_.empty()) return std::nullopt;
  Instant next = Instant::max();
  for (const Turn* turn : running_) next = std::min(next, turn->since_ + patience(*turn));
  return next;
}

void TurnQueue::begins(std::uint32_t block_bytes) {
  block_bytes_ += (block_bytes_ == 0 ? 1 : 0.1) * (block_bytes - block_bytes_);
}

/// Infinite when not known.
double TurnQueue::bytes_per_second() const {
  return seconds_between_ == 0 ? std::numeric_limits<double>::infinity()
                               : block_bytes_ / seconds_between_;
}

bool TurnQueue::slow() const {
  return bytes_per_second() * seconds_in_sockets / places < most_socket_bytes;
}

std::size_t TurnQueue::socket_bytes(Duration round_trip) {
  if (round_trip > Duration::zero()) nearest_ = std::min(nearest_, round_trip);
  const double distance = nearest_ == Duration::max() ? 0 : to_seconds(nearest_);
  const double seconds = std::max(seconds_in_sockets, round_trips_in_sockets * distance);
  return static_cast<std::size_t>(std::clamp<double>(bytes_per_second() * seconds / places,
                                                     least_socket_bytes, largest_socket_bytes));
}

UploadTurns::UploadTurns(boost::asio::io_context& io) : timer_(io) {}

bool UploadTurns::may_begin(TurnQueue::Turn& turn) {
  const bool may = queue_.may_begin(turn, clock_now());
  if (!may) arm();
  return may;
}

void UploadTurns::end(TurnQueue::Turn& turn) { queue_.end(turn, clock_now()); }

/// Not set anew for each turn: when it fires, it is set to the then oldest one's time.
void UploadTurns::arm() {
  if (armed_) return;
  const auto next = queue_.next_tick();
  if (!next) return;
  armed_ = true;
  timer_.expires_at(std::max(*next, clock_now() + milliseconds(1)));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code&) {
    const auto alive = weak.lock();
    if (!alive) return;
    alive->armed_ = false;
    alive->queue_.tick(clock_now());
    alive->arm();
  });
}

}  // namespace murder::net
