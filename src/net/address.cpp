#include "net/address.hpp"

namespace murder::net {
namespace ip = boost::asio::ip;

ip::tcp::endpoint to_asio(const Endpoint& endpoint) {
  if (endpoint.address.is_v4()) return {ip::address_v4(endpoint.address.v4_bytes()), endpoint.port};
  return {ip::address_v6(endpoint.address.bytes()), endpoint.port};
}

Endpoint from_asio(const ip::tcp::endpoint& endpoint) {
  const ip::address address = endpoint.address();
  return {address.is_v4() ? IpAddress::v4(address.to_v4().to_bytes())
                          : IpAddress::v6(address.to_v6().to_bytes()),
          endpoint.port()};
}

}  // namespace murder::net
