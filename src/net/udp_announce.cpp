#include "net/udp_announce.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <fmt/format.h>
#include <optional>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "net/address.hpp"
#include "net/host_lookup.hpp"
#include "net/socket.hpp"

namespace murder::net {
namespace asio = boost::asio;
using asio::ip::udp;
using boost::system::error_code;
using udp_tracker::Exchange;

namespace {

Instant now() { return std::chrono::steady_clock::now(); }

/// An address of the tracker, asked.
struct Attempt {
  Attempt(asio::io_context& io, const Endpoint& whom, Exchange::Question question,
          std::optional<udp_tracker::Connection> known, Random& random)
      : remote(whom), socket(io), exchange(std::move(question), known, random, now()) {}

  Endpoint remote;
  udp::socket socket;
  Exchange exchange;
  std::array<char, udp_tracker::max_packet_bytes> buffer;
};

}  // namespace

struct UdpAnnounce::Impl : std::enable_shared_from_this<UdpAnnounce::Impl> {
  Impl(asio::io_context& loop, std::shared_ptr<UdpTrackerMemory> kept, Options given,
       Callback whom_to_tell)
      : io(loop),
        memory(std::move(kept)),
        options(std::move(given)),
        callback(std::move(whom_to_tell)),
        deadline(now() + options.timeout),
        timer(loop),
        step_timer(loop) {
    const auto address = IpAddress::parse(options.host);
    server = address ? Endpoint{*address, options.port}.to_string()
                     : fmt::format("{}:{}", printable(options.host), options.port);
  }

  asio::io_context& io;
  std::shared_ptr<UdpTrackerMemory> memory;
  Options options;
  Callback callback;
  Instant deadline;
  asio::steady_timer timer;
  asio::steady_timer step_timer;
  std::shared_ptr<HostLookup> lookup;
  std::string server;                ///< "HOST:PORT", for messages
  std::vector<IpAddress> addresses;  ///< not yet tried, the next one last
  std::shared_ptr<Attempt> attempt;
  Instant next_address_at = Instant::max();

  void start() {
    timer.expires_at(deadline);
    timer.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec)
        self->fail(fmt::format("no answer from {} over UDP within {}", self->server,
                               timeout_text(self->options.timeout)));
    });
    lookup = HostLookup::start(
        io, options.host,
        [self = shared_from_this()](std::vector<IpAddress> found, std::string error) {
          if (!self->callback) return;
          if (!error.empty()) return self->fail(std::move(error));
          self->addresses = std::move(found);
          std::reverse(self->addresses.begin(), self->addresses.end());
          self->ask_next();
        });
  }

  /// The next address, with its share of the time that is left.
  void ask_next() {
    const Endpoint remote{addresses.back(), options.port};
    const Duration left = std::max(deadline - now(), Duration::zero());
    next_address_at =
        addresses.size() == 1 ? Instant::max() : now() + left / static_cast<int>(addresses.size());
    addresses.pop_back();
    std::optional<udp_tracker::Connection> known;
    if (const auto it = memory->connections.find(remote); it != memory->connections.end())
      known = it->second;
    close();
    attempt = std::make_shared<Attempt>(
        io, remote,
        Exchange::Question{options.request, memory->key, options.target, !remote.address.is_v4()},
        known, memory->random);
    SocketResult opened = open_udp_socket(remote, options.bind_address);
    if (opened.error == 0) attempt->socket = adopt_udp_socket(io, std::move(opened.fd));
    if (!attempt->socket.is_open()) {
      const std::string reason = system_reason(opened.error);
      return lost(options.bind_address.is_unspecified()
                      ? reason
                      : fmt::format("from {}: {}", options.bind_address.to_string(), reason));
    }
    receive();
    go_on();
  }

  /// Sends what is due, and waits until something will be.
  void go_on() {
    if (now() >= next_address_at) return ask_next();
    while (const auto packet = attempt->exchange.take_due(now())) {
      // A packet that finds no room is as good as lost on the way.
      if (::send(attempt->socket.native_handle(), packet->data(), packet->size(),
                 MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
          errno != EAGAIN && errno != ENOBUFS)
        return lost(system_reason(errno));
    }
    step_timer.expires_at(std::min(attempt->exchange.next_due(), next_address_at));
    step_timer.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec && self->callback) self->go_on();
    });
  }

  void receive() {
    attempt->socket.async_receive(
        asio::buffer(attempt->buffer),
        [self = shared_from_this(), from = attempt](error_code ec, std::size_t size) {
          if (self->callback && self->attempt == from) self->on_received(ec, size);
        });
  }

  void on_received(error_code ec, std::size_t size) {
    // An ICMP message comes as an error of the socket.
    if (ec) return lost(system_reason(ec.value()));
    Exchange& exchange = attempt->exchange;
    exchange.on_packet({attempt->buffer.data(), size}, now());
    if (const auto& connection = exchange.connection())
      memory->connections.insert_or_assign(attempt->remote, *connection);
    else
      memory->connections.erase(attempt->remote);
    if (exchange.done()) return finish({exchange.answer(), exchange.problem()});
    receive();
    go_on();
  }

  /// This address cannot be asked.
  void lost(const std::string& reason) {
    if (!addresses.empty()) return ask_next();
    fail(fmt::format("cannot ask {} over UDP: {}", server, reason));
  }

  void fail(std::string problem) { finish({{}, std::move(problem)}); }

  void finish(Result result) {
    if (!callback) return;
    const Callback tell = std::exchange(callback, nullptr);
    end();
    tell(std::move(result));
  }

  void end() {
    callback = nullptr;
    timer.cancel();
    step_timer.cancel();
    if (lookup) lookup->cancel();
    close();
  }

  void close() {
    if (!attempt) return;
    error_code ignored;
    attempt->socket.close(ignored);
    attempt.reset();
  }
};

UdpAnnounce::UdpAnnounce(asio::io_context& io, std::shared_ptr<UdpTrackerMemory> memory,
                         Options options, Callback callback)
    : impl_(
          std::make_shared<Impl>(io, std::move(memory), std::move(options), std::move(callback))) {
  impl_->start();
}

UdpAnnounce::~UdpAnnounce() { impl_->end(); }

}  // namespace murder::net
