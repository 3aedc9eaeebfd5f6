// One non-blocking connect with a deadline: what Dial and HttpGet share. Owned by the loop's
// thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/endpoint.hpp"
#include "base/units.hpp"

namespace murder::net {

class Connector : public std::enable_shared_from_this<Connector> {
 public:
  /// `reason` is empty on success, else such as "Connection refused", "no answer within 3 s".
  using Done = std::function<void(boost::asio::ip::tcp::socket socket, std::string reason)>;
  /// `done` is called once, from the loop, never from inside start().
  static std::shared_ptr<Connector> start(boost::asio::io_context& io, const Endpoint& remote,
                                          const IpAddress& bind_address, Duration timeout,
                                          Done done);
  /// `done` is not called any more.
  void cancel();

 private:
  Connector(boost::asio::io_context& io, Done done);
  void begin(const Endpoint& remote, const IpAddress& bind_address, Duration timeout);
  void finish(std::string reason);

  boost::asio::io_context& io_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  Done done_;
};

}  // namespace murder::net
