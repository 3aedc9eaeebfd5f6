// Addresses between murder's own types and Asio's.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "base/endpoint.hpp"

namespace murder::net {

/// IPv4 stays IPv4: mapped addresses become plain ones.
boost::asio::ip::tcp::endpoint to_asio(const Endpoint& endpoint);
Endpoint from_asio(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace murder::net
