#include "net/handshake_router.hpp"

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <optional>
#include <poll.h>
#include <string_view>
#include <sys/socket.h>
#include <utility>

#include "net/peer_connection.hpp"
#include "net/socket.hpp"

namespace murder::net {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr std::string_view protocol =
    "\x13"
    "BitTorrent protocol";
constexpr std::size_t reserved_bytes = 8;
constexpr std::size_t asked_bytes = protocol.size() + reserved_bytes + InfoHash::size;
constexpr std::size_t most_waiting = 256;
constexpr auto patience = std::chrono::seconds(10);

struct Peeked {
  bool is_whole = false;          ///< false: more may come
  std::optional<InfoHash> asked;  ///< nullopt of a whole one: it is no BitTorrent, or has ended
};

bool has_ended(int socket) {
  pollfd ends{socket, POLLRDHUP, 0};
  return ::poll(&ends, 1, 0) != 0;
}

Peeked peek(int socket) {
  std::array<char, asked_bytes> bytes{};
  const ssize_t count = ::recv(socket, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
  if (count != std::ssize(bytes)) return {.is_whole = has_ended(socket), .asked = {}};
  const std::string_view text(bytes.data(), bytes.size());
  if (!text.starts_with(protocol)) return {.is_whole = true, .asked = {}};
  return {.is_whole = true,
          .asked = InfoHash::from_bytes(text.substr(protocol.size() + reserved_bytes))};
}

}  // namespace

struct HandshakeRouter::Impl : std::enable_shared_from_this<Impl> {
  Impl(boost::asio::io_context& loop, OnAsked asked) : io(loop), on_asked(std::move(asked)) {}

  struct Waiting {
    Waiting(tcp::socket from, boost::asio::io_context& io) : socket(std::move(from)), timer(io) {}
    tcp::socket socket;
    boost::asio::steady_timer timer;
    bool gone = false;
  };

  void take(tcp::socket socket) {
    // Readable means: as many bytes, or its end.
    set_socket_option(socket.native_handle(), SOL_SOCKET, SO_RCVLOWAT,
                      static_cast<int>(asked_bytes));
    if (waiting.size() >= most_waiting) forget(std::shared_ptr<Waiting>(waiting.front()));
    auto one = std::make_shared<Waiting>(std::move(socket), io);
    waiting.push_back(one);
    one->timer.expires_after(patience);
    one->timer.async_wait([self = shared_from_this(), one](const error_code& error) {
      if (!error) self->forget(one);
    });
    wait(one);
  }

  void wait(const std::shared_ptr<Waiting>& one) {
    one->socket.async_wait(tcp::socket::wait_read,
                           [self = shared_from_this(), one](const error_code& error) {
                             if (!error && !one->gone) self->readable(one);
                           });
  }

  void readable(const std::shared_ptr<Waiting>& one) {
    const Peeked peeked = peek(one->socket.native_handle());
    if (!peeked.is_whole) return wait(one);
    tcp::socket socket = std::move(one->socket);
    forget(one);
    if (!peeked.asked) return;
    set_socket_option(socket.native_handle(), SOL_SOCKET, SO_RCVLOWAT, 1);
    on_asked(*peeked.asked, std::move(socket));
  }

  void forget(const std::shared_ptr<Waiting>& one) {
    if (std::exchange(one->gone, true)) return;
    error_code ignored;
    one->socket.close(ignored);
    one->timer.cancel();
    waiting.remove(one);
  }

  void end() {
    listener.reset();
    while (!waiting.empty()) forget(std::shared_ptr<Waiting>(waiting.front()));
  }

  boost::asio::io_context& io;
  OnAsked on_asked;
  std::unique_ptr<PeerListener> listener;
  std::list<std::shared_ptr<Waiting>> waiting;
};

HandshakeRouter::HandshakeRouter(boost::asio::io_context& io, const IpAddress& address,
                                 const PortRange& ports, OnAsked on_asked)
    : impl_(std::make_shared<Impl>(io, std::move(on_asked))) {
  impl_->listener = std::make_unique<PeerListener>(
      io, address, ports,
      [impl = impl_.get()](tcp::socket socket) { impl->take(std::move(socket)); });
}

HandshakeRouter::~HandshakeRouter() { impl_->end(); }

Endpoint HandshakeRouter::local_endpoint() const { return impl_->listener->local_endpoint(); }

}  // namespace murder::net
