// Sockets as murder wants them: non-blocking from birth, and closed when a child process is
// started (Asio's own are inherited, and a hook or an ssh would keep a connection open).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <string>

#include "base/endpoint.hpp"
#include "base/file.hpp"
#include "base/units.hpp"

namespace murder::net {

/// A new descriptor, or an errno value.
struct SocketResult {
  UniqueFd fd;
  int error = 0;
};

/// Bound and listening with SO_REUSEADDR. `::` takes IPv4 too, and is 0.0.0.0 on a machine without
/// IPv6.
SocketResult open_listening_socket(const Endpoint& endpoint);

/// Unconnected, bound to `bind_address` unless that is unspecified; the kernel picks the port.
SocketResult open_client_socket(const IpAddress& remote, const IpAddress& bind_address);

/// Connected to `remote`, so that it receives from nobody else, and is told what ICMP says; bound
/// to `bind_address` unless that is unspecified.
SocketResult open_udp_socket(const Endpoint& remote, const IpAddress& bind_address);

/// Takes the descriptor over. An invalid one gives a socket that is not open.
boost::asio::ip::tcp::socket adopt_socket(boost::asio::io_context& io, UniqueFd fd);
boost::asio::ip::udp::socket adopt_udp_socket(boost::asio::io_context& io, UniqueFd fd);

/// setsockopt(2) of a number. An option that the kernel refuses is done without.
void set_socket_option(int fd, int level, int option, int value);
/// Whether poll(2) would report it writable, or broken, now.
bool is_writable(int fd);

/// For messages: "10 s" rather than "10.0 s".
std::string timeout_text(Duration timeout);

}  // namespace murder::net
