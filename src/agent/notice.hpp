// Something that coroutines wait for until another says that it has changed. One thread.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/units.hpp"

namespace murder::agent {

class Notice {
 public:
  explicit Notice(boost::asio::io_context& io) : timer_(io, Instant::max()) {}

  /// Wakes all that wait now; they look again whether it is what they waited for.
  void raise() { timer_.cancel(); }
  boost::asio::awaitable<void> wait() {
    co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }

 private:
  boost::asio::steady_timer timer_;
};

/// Lets other things happen for so long.
inline boost::asio::awaitable<void> pause_for(boost::asio::io_context& io, Duration time) {
  boost::asio::steady_timer timer(io, time);
  co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
}

}  // namespace murder::agent
