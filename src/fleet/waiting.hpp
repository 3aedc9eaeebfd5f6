// What coroutines of one loop wait for: a place among a few, and something to come true.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>
#include <list>

#include "base/units.hpp"

namespace murder::fleet {

inline constexpr auto no_throw = boost::asio::as_tuple(boost::asio::use_awaitable);

inline boost::asio::awaitable<void> sleep_for(boost::asio::io_context& io, Duration time) {
  boost::asio::steady_timer timer(io, time);
  co_await timer.async_wait(no_throw);
}

/// Wakes those that wait, who then look whether what they want has come true.
class Condition {
 public:
  explicit Condition(boost::asio::io_context& io) : io_(io) {}

  void notify() {
    for (boost::asio::steady_timer* timer : waiting_) timer->cancel();
  }
  /// Until `holds()`; false when `patience` was over first.
  template <class Holds>
  boost::asio::awaitable<bool> wait(Holds holds, Duration patience = std::chrono::hours(10'000)) {
    boost::asio::steady_timer timer(io_);
    const Instant until = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
      if (std::chrono::steady_clock::now() >= until) co_return false;
      timer.expires_at(until);
      const auto place = waiting_.insert(waiting_.end(), &timer);
      co_await timer.async_wait(no_throw);
      waiting_.erase(place);
    }
    co_return true;
  }

 private:
  boost::asio::io_context& io_;
  std::list<boost::asio::steady_timer*> waiting_;
};

/// Lets so many through at once.
class Gate {
 public:
  Gate(boost::asio::io_context& io, std::size_t places) : free_(places), condition_(io) {}

  /// A place, given back when destroyed.
  class Place {
   public:
    explicit Place(Gate* gate) : gate_(gate) {}
    Place(Place&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (gate_ == nullptr) return;
      ++gate_->free_;
      gate_->condition_.notify();
    }

   private:
    Gate* gate_;
  };
  boost::asio::awaitable<Place> enter() {
    co_await condition_.wait([this] { return free_ > 0; });
    --free_;
    co_return Place(this);
  }

 private:
  std::size_t free_;
  Condition condition_;
};

}  // namespace murder::fleet
