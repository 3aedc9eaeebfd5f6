#include <cerrno>
#include <fmt/format.h>
#include <utility>

#include "base/error.hpp"
#include "net/acceptor.hpp"
#include "net/peer_connection.hpp"
#include "net/socket.hpp"

namespace murder::net {
namespace {

constexpr PortRange usual_ports{8999, 9029};

SocketResult open_on_first_free(const PortRange& ports, const IpAddress& address) {
  SocketResult result;
  for (unsigned i = 0; i < ports.count(); ++i) {
    result = open_listening_socket({address, static_cast<std::uint16_t>(ports.first + i)});
    if (result.error != EADDRINUSE) break;
  }
  return result;
}

SocketResult open_usual(const IpAddress& address) {
  SocketResult result = open_on_first_free(usual_ports, address);
  return result.error == EADDRINUSE ? open_listening_socket({address, 0}) : std::move(result);
}

}  // namespace

struct PeerListener::Impl {
  std::shared_ptr<Acceptor> acceptor;
};

PeerListener::PeerListener(boost::asio::io_context& io, const IpAddress& address,
                           const PortRange& ports, OnAccept on_accept)
    : impl_(std::make_shared<Impl>()) {
  SocketResult listening =
      ports.is_named() ? open_on_first_free(ports, address) : open_usual(address);
  if (listening.error != 0) {
    std::string where = Endpoint{address, ports.first}.to_string();
    if (ports.count() > 1) where += fmt::format(" to {}", ports.last);
    throw_system_error("cannot listen on", where, listening.error);
  }
  impl_->acceptor = Acceptor::start(io, std::move(listening.fd), std::move(on_accept));
}

PeerListener::~PeerListener() { impl_->acceptor->stop(); }

Endpoint PeerListener::local_endpoint() const { return impl_->acceptor->local_endpoint(); }

}  // namespace murder::net
