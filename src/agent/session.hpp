// One conversation with the control side: frames in, orders carried out one after another, frames
// out; and beside them what a transfer says and is told. To stage takes as long as the transfer
// does, and has a line of its own: whoever fetches can be made the origin meanwhile.
//
// Everything is on the thread that runs the io_context. Nothing grows without bound: while the
// control side does not read, the transfer is not read either; while the transfer does not read,
// the control side is not.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <deque>
#include <string>

#include "agent/agent.hpp"
#include "agent/duties.hpp"
#include "agent/notice.hpp"
#include "base/log.hpp"
#include "orders/frame.hpp"

namespace murder::agent {

class Session {
 public:
  /// Says hello; the rest is done while the io_context runs, which ends with the session. Throws
  /// Error{failed} when input or output cannot be used.
  Session(boost::asio::io_context& io, const AgentOptions& options, Log log);

  /// As run_agent() returns it, when it has ended.
  int status() const { return status_; }

 private:
  boost::asio::awaitable<void> read();
  boost::asio::awaitable<void> take(orders::Frame frame);
  struct Line;
  boost::asio::awaitable<void> work(Line& line);
  boost::asio::awaitable<void> write();
  boost::asio::awaitable<void> watch_output();
  boost::asio::awaitable<void> tell(orders::Frame frame);
  void say(std::string frame);
  void heard();
  void end(int status, const std::string& why);
  void work_is_done();

  boost::asio::io_context& io_;
  Log log_;
  boost::asio::posix::stream_descriptor input_;
  boost::asio::posix::stream_descriptor output_;
  boost::asio::signal_set signals_;
  boost::asio::steady_timer lease_timer_;
  boost::asio::steady_timer flush_timer_;

  /// Orders that wait for the one before them.
  struct Line {
    explicit Line(boost::asio::io_context& io) : changed(io) {}
    std::deque<orders::Frame> orders;
    std::size_t bytes = 0;
    Notice changed;
    boost::asio::cancellation_signal cancel;
  };

  orders::FrameReader frames_;
  Line stages_;
  Line others_;
  std::deque<std::string> unsent_;
  std::size_t unsent_bytes_ = 0;
  Notice unsent_changed_;

  Duties duties_;
  bool ended_ = false;
  int busy_lines_ = 0;  ///< that carry out orders
  int status_ = 0;
};

}  // namespace murder::agent
