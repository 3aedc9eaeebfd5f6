#include "net/connector.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <utility>

#include "base/error.hpp"
#include "net/address.hpp"
#include "net/socket.hpp"

namespace murder::net {
namespace asio = boost::asio;
using boost::system::error_code;

std::shared_ptr<Connector> Connector::start(asio::io_context& io, const Endpoint& remote,
                                            const IpAddress& bind_address, Duration timeout,
                                            Done done) {
  std::shared_ptr<Connector> connector(new Connector(io, std::move(done)));
  connector->begin(remote, bind_address, timeout);
  return connector;
}

Connector::Connector(asio::io_context& io, Done done)
    : io_(io), socket_(io), timer_(io), done_(std::move(done)) {}

void Connector::begin(const Endpoint& remote, const IpAddress& bind_address, Duration timeout) {
  SocketResult opened = open_client_socket(remote.address, bind_address);
  if (opened.error == 0) socket_ = adopt_socket(io_, std::move(opened.fd));
  if (!socket_.is_open()) {
    std::string reason = system_reason(opened.error);
    if (!bind_address.is_unspecified())
      reason = fmt::format("from {}: {}", bind_address.to_string(), reason);
    asio::post(io_, [self = shared_from_this(), reason] { self->finish(reason); });
    return;
  }
  timer_.expires_after(timeout);
  timer_.async_wait([self = shared_from_this(), timeout](error_code ec) {
    if (!ec) self->finish("no answer within " + timeout_text(timeout));
  });
  socket_.async_connect(to_asio(remote), [self = shared_from_this()](error_code ec) {
    self->finish(ec ? system_reason(ec.value()) : "");
  });
}

void Connector::finish(std::string reason) {
  if (!done_) return;
  timer_.cancel();
  error_code ignored;
  if (!reason.empty()) socket_.close(ignored);
  std::exchange(done_, nullptr)(std::move(socket_), std::move(reason));
}

void Connector::cancel() {
  done_ = nullptr;
  error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
}

}  // namespace murder::net
