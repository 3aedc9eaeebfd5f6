// Whose block goes next: a process gives its uplink to a few connections at a time.
//
// Written to ten sockets at once, ten blocks share the uplink and all of them arrive late; one
// after the other, each but the last arrives sooner and none later, so its receiver passes it on
// sooner. And on a link whose turn it is not, requests and announcements find an empty socket
// instead of waiting behind the half of a block (ARCHITECTURE.md has what that is worth).
//
// Some turns run at once, because the kernel tells only some time after it has sent a block that it
// did. A turn that lasts several times as long as others (a slow or stalled receiver) lapses: it
// goes on without counting.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/units.hpp"

namespace murder::net {

/// The turns themselves: no I/O, time handed in.
class TurnQueue {
 public:
  class Turn;

  /// Turns that count, at one time.
  static constexpr std::size_t places = 4;

  /// Whether `turn` may begin a block now. To ask is also to say that its block before has left the
  /// socket. False: it waits, and is called when it may; then it asks again.
  bool may_begin(Turn& turn, Instant now);
  /// It has nothing to send, or goes.
  void end(Turn& turn, Instant now);
  /// Ends the turns that last too long.
  void tick(Instant now);
  /// When to call tick(); nothing to wait for while nobody waits.
  std::optional<Instant> next_tick() const;
  /// The turn that was just given sends a block of so many bytes.
  void begins(std::uint32_t block_bytes);
  /// What the kernel would take into its sockets makes everything behind it late.
  bool slow() const;
  /// How many bytes a socket should hold on a slow uplink: its share of a tenth of a second, or of
  /// three round trips to the nearest peer, so that the uplink can be filled. `round_trip`: to this
  /// one, which on a full uplink has queues in it, zero when not known.
  std::size_t socket_bytes(Duration round_trip);

 private:
  double bytes_per_second() const;
  Duration patience(const Turn& turn) const;
  void note_left(Instant now);
  void call_next(Instant now, const Turn* asking);

  std::vector<Turn*> running_;
  std::deque<Turn*> waiting_;
  double seconds_between_ = 0;  ///< blocks that leave, smoothed; 0: not known
  Duration nearest_ = Duration::max();
  double block_bytes_ = 0;  ///< smoothed likewise; 0: not known
  std::optional<Instant> last_left_;
};

/// A connection's part in it.
class TurnQueue::Turn {
 public:
  /// `on_called` may not ask at once, only later.
  explicit Turn(std::function<void()> on_called) : on_called_(std::move(on_called)) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  /// The lowest rank goes first, equals in the order in which they asked.
  void set_rank(std::uint32_t rank) { rank_ = rank; }

 private:
  friend class TurnQueue;
  enum class State {
    none,
    waiting,
    called,  ///< its place is kept, it has not asked yet
    running,
    lapsed,  ///< its block is still in the socket
  };
  std::function<void()> on_called_;
  State state_ = State::none;
  Instant since_{};
  std::uint32_t rank_ = 0;
  bool slow_ = false;  ///< its turn before this one lapsed
};

/// The queue of a process, with a timer for the turns that last too long. Made by make_shared; used
/// from the loop's thread only.
class UploadTurns : public std::enable_shared_from_this<UploadTurns> {
 public:
  explicit UploadTurns(boost::asio::io_context& io);
  bool may_begin(TurnQueue::Turn& turn);
  void end(TurnQueue::Turn& turn);
  void begins(std::uint32_t block_bytes) { queue_.begins(block_bytes); }
  bool slow() const { return queue_.slow(); }
  std::size_t socket_bytes(Duration round_trip) { return queue_.socket_bytes(round_trip); }

 private:
  void arm();

  TurnQueue queue_;
  boost::asio::steady_timer timer_;
  bool armed_ = false;
};

}  // namespace murder::net
