// What coroutines of one loop wait for: a place among a few, and something to come true.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>
#include <list>
#include <utility>

#include "base/units.hpp"

namespace murder::fleet {

inline constexpr auto no_throw = boost::asio::as_tuple(boost::asio::use_awaitable);

inline boost::asio::awaitable<void> sleep_for(boost::asio::io_context& io, Duration time) {
  boost::asio::steady_timer timer(io, time);
  co_await timer.async_wait(no_throw);
}

/// A timer in a list of those that wait, for as long as it is here: whoever is dropped while it
/// waits leaves the list too.
class ListedTimer {
 public:
  using List = std::list<boost::asio::steady_timer*>;
  ListedTimer(boost::asio::steady_timer& timer, List& list)
      : list_(list), place_(list.insert(list.end(), &timer)) {}
  ~ListedTimer() { list_.erase(place_); }
  ListedTimer(const ListedTimer&) = delete;
  ListedTimer& operator=(const ListedTimer&) = delete;

 private:
  List& list_;
  List::iterator place_;
};

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
      const ListedTimer listed(timer, waiting_);
      co_await timer.async_wait(no_throw);
    }
    co_return true;
  }

 private:
  boost::asio::io_context& io_;
  ListedTimer::List waiting_;
};

/// Lets so many through at once. Whoever leaves wakes one of those that wait, not all: five
/// thousand may wait.
class Gate {
 public:
  Gate(boost::asio::io_context& io, std::size_t places) : io_(io), places_(places) {}

  /// A place, given back when destroyed; or none.
  class Place {
   public:
    Place() = default;
    explicit Place(Gate* gate) : gate_(gate) {}
    Place(Place&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(gate_, other.gate_);
      return *this;
    }
    ~Place() {
      if (gate_ == nullptr) return;
      --gate_->taken_;
      gate_->wake();
    }

   private:
    Gate* gate_ = nullptr;
  };
  boost::asio::awaitable<Place> enter() {
    while (taken_ >= places_) {
      boost::asio::steady_timer timer(io_, std::chrono::hours(10'000));
      const ListedTimer listed(timer, waiting_);
      co_await timer.async_wait(no_throw);
    }
    ++taken_;
    wake();
    co_return Place(this);
  }
  /// One place less from now on, but never none.
  void narrow() {
    if (places_ > 1) --places_;
  }
  std::size_t places() const { return places_; }

 private:
  void wake() {
    if (taken_ < places_ && !waiting_.empty()) waiting_.front()->cancel();
  }

  boost::asio::io_context& io_;
  std::size_t places_;
  std::size_t taken_ = 0;
  ListedTimer::List waiting_;
};

}  // namespace murder::fleet
