#include <cerrno>
#include <utility>

#include "base/error.hpp"
#include "net/acceptor.hpp"
#include "net/peer_connection.hpp"
#include "net/socket.hpp"

namespace murder::net {
namespace {

constexpr std::uint16_t first_peer_port = 8999;
constexpr std::uint16_t last_peer_port = 9029;

SocketResult open_on_first_free_port(const IpAddress& address) {
  for (std::uint16_t port = first_peer_port; port <= last_peer_port; ++port) {
    SocketResult result = open_listening_socket({address, port});
    if (result.error != EADDRINUSE) return result;
  }
  return open_listening_socket({address, 0});
}

}  // namespace

struct PeerListener::Impl {
  std::shared_ptr<Acceptor> acceptor;
};

PeerListener::PeerListener(boost::asio::io_context& io, const IpAddress& address,
                           std::uint16_t port, OnAccept on_accept)
    : impl_(std::make_shared<Impl>()) {
  SocketResult listening =
      port == 0 ? open_on_first_free_port(address) : open_listening_socket({address, port});
  if (listening.error != 0)
    throw_system_error("cannot listen on", Endpoint{address, port}.to_string(), listening.error);
  impl_->acceptor = Acceptor::start(io, std::move(listening.fd), std::move(on_accept));
}

PeerListener::~PeerListener() { impl_->acceptor->stop(); }

Endpoint PeerListener::local_endpoint() const { return impl_->acceptor->local_endpoint(); }

}  // namespace murder::net
