// What the orders ask for, done: each on the worker's thread or by a process of its own, one after
// another. Knows nothing of how orders come.
//
// Belongs to the thread that runs the io_context.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "agent/agent.hpp"
#include "agent/transfer.hpp"
#include "base/log.hpp"
#include "base/units.hpp"
#include "orders/frame.hpp"

namespace murder::agent {

class Duties {
 public:
  Duties(boost::asio::io_context& io, const AgentOptions& options, Transfer::Tell tell, Log log);
  ~Duties();
  Duties(const Duties&) = delete;
  Duties& operator=(const Duties&) = delete;

  /// Carries out the order that the frame is; returns the answer's JSON, an error's too. Throws
  /// only when the coroutine is cancelled.
  boost::asio::awaitable<std::string> answer(orders::Frame frame);
  Transfer& transfer();
  /// The shortest lease of the locks that are held; zero: none.
  Duration lease() const;
  /// The control side is there: whoever is kept out by a lock can see that.
  void heard();
  /// The session ends: nothing more is begun, and what can be given up is. Locks are held until
  /// this is destroyed, which waits for what is under way.
  void end();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace murder::agent
