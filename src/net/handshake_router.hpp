// One listening port for several swarms: which one an incoming connection wants is read off its
// handshake (BEP 3), without taking that from the socket. Owned by the loop's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "base/digest.hpp"
#include "base/endpoint.hpp"
#include "base/port_range.hpp"

namespace murder::net {

class HandshakeRouter {
 public:
  /// The socket still holds the whole handshake.
  using OnAsked = std::function<void(const InfoHash&, boost::asio::ip::tcp::socket)>;
  /// Listens as a PeerListener. Who says nothing for 10 s, or what is no BitTorrent, is closed; of
  /// more than 256 that have said nothing yet the oldest goes.
  HandshakeRouter(boost::asio::io_context& io, const IpAddress& address, const PortRange& ports,
                  OnAsked on_asked);
  ~HandshakeRouter();
  HandshakeRouter(const HandshakeRouter&) = delete;
  HandshakeRouter& operator=(const HandshakeRouter&) = delete;

  Endpoint local_endpoint() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace murder::net
