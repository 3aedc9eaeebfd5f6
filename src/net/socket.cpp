#include "net/socket.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "net/address.hpp"

namespace murder::net {
namespace {
namespace ip = boost::asio::ip;

constexpr int backlog = 512;

UniqueFd new_socket(const ip::tcp::endpoint& endpoint) {
  return UniqueFd(::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                           IPPROTO_TCP));
}

bool bind_to(const UniqueFd& fd, const ip::tcp::endpoint& endpoint) {
  return ::bind(fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0;
}

SocketResult failed() { return {UniqueFd(), errno}; }

SocketResult listen_on(const ip::tcp::endpoint& endpoint) {
  UniqueFd fd = new_socket(endpoint);
  if (!fd) return failed();
  set_socket_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (endpoint.protocol() == ip::tcp::v6())
    set_socket_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (!bind_to(fd, endpoint) || ::listen(fd.get(), backlog) != 0) return failed();
  return {std::move(fd), 0};
}

template <class Protocol>
typename Protocol::socket adopt(boost::asio::io_context& io, UniqueFd fd) {
  typename Protocol::socket socket(io);
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (!fd || ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return socket;
  boost::system::error_code ec;
  socket.assign(address.ss_family == AF_INET6 ? Protocol::v6() : Protocol::v4(), fd.get(), ec);
  if (!ec) fd.release();
  return socket;
}

}  // namespace

SocketResult open_listening_socket(const Endpoint& endpoint) {
  SocketResult result = listen_on(to_asio(endpoint));
  const bool without_ipv6 = result.error == EAFNOSUPPORT || result.error == EADDRNOTAVAIL;
  if (without_ipv6 && !endpoint.address.is_v4() && endpoint.address.is_unspecified())
    return listen_on({ip::address_v4::any(), endpoint.port});
  return result;
}

SocketResult open_client_socket(const IpAddress& remote, const IpAddress& bind_address) {
  UniqueFd fd = new_socket(to_asio({remote, 0}));
  if (!fd) return failed();
  if (!bind_address.is_unspecified()) {
    // The port is chosen at connect(2), where only the whole four-tuple must be free.
    set_socket_option(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (!bind_to(fd, to_asio({bind_address, 0}))) return failed();
  }
  return {std::move(fd), 0};
}

SocketResult open_udp_socket(const Endpoint& remote, const IpAddress& bind_address) {
  const ip::tcp::endpoint to = to_asio(remote);
  UniqueFd fd(
      ::socket(to.protocol().family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!fd) return failed();
  if (!bind_address.is_unspecified() && !bind_to(fd, to_asio({bind_address, 0}))) return failed();
  if (::connect(fd.get(), to.data(), static_cast<socklen_t>(to.size())) != 0) return failed();
  return {std::move(fd), 0};
}

ip::tcp::socket adopt_socket(boost::asio::io_context& io, UniqueFd fd) {
  return adopt<ip::tcp>(io, std::move(fd));
}

ip::udp::socket adopt_udp_socket(boost::asio::io_context& io, UniqueFd fd) {
  return adopt<ip::udp>(io, std::move(fd));
}

void set_socket_option(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

bool is_writable(int fd) {
  pollfd ask{fd, POLLOUT, 0};
  return ::poll(&ask, 1, 0) > 0;
}

std::string timeout_text(Duration timeout) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  return whole == timeout ? fmt::format("{} s", whole.count()) : format_duration(timeout);
}

}  // namespace murder::net
