// A listening socket and its accept loop, for peers and HTTP alike.
//
// Running out of descriptors (a fleet that dials at once meets a low `ulimit -n`) must not end a
// tracker: the loop pauses for 100 ms and goes on. Owned by the loop's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "base/endpoint.hpp"
#include "base/file.hpp"

namespace murder::net {

class Acceptor : public std::enable_shared_from_this<Acceptor> {
 public:
  using OnAccept = std::function<void(boost::asio::ip::tcp::socket)>;
  /// `listening` comes from open_listening_socket(). Accepts from the next turn of the loop on,
  /// until stop().
  static std::shared_ptr<Acceptor> start(boost::asio::io_context& io, UniqueFd listening,
                                         OnAccept on_accept);
  Endpoint local_endpoint() const { return local_; }
  /// `on_accept` is not called any more. May be called from inside it.
  void stop();

 private:
  Acceptor(boost::asio::io_context& io, UniqueFd listening, OnAccept on_accept);
  void wait();
  void accept_waiting();
  void pause();

  boost::asio::io_context& io_;
  boost::asio::ip::tcp::acceptor socket_;
  boost::asio::steady_timer timer_;
  OnAccept on_accept_;
  Endpoint local_;
  bool stopped_ = false;
};

}  // namespace murder::net
