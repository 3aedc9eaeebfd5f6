#include <fmt/format.h>
#include <utility>

#include "net/connector.hpp"
#include "net/peer_connection.hpp"

namespace murder::net {

struct Dial::Impl {
  std::shared_ptr<Connector> connector;
};

Dial::Dial(boost::asio::io_context& io, const Endpoint& remote, const IpAddress& bind_address,
           Duration timeout, Callback callback)
    : impl_(std::make_shared<Impl>()) {
  impl_->connector = Connector::start(
      io, remote, bind_address, timeout,
      [remote, callback = std::move(callback)](boost::asio::ip::tcp::socket socket,
                                               const std::string& reason) {
        callback(std::move(socket), reason.empty() ? ""
                                                   : fmt::format("cannot connect to {}: {}",
                                                                 remote.to_string(), reason));
      });
}

Dial::~Dial() { impl_->connector->cancel(); }

}  // namespace murder::net
