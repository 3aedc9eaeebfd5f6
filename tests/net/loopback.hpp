// Loopback sockets for the tests of src/net: one end for the code under test, the other driven by
// hand, so that it can say what no connection of ours would say.
#pragma once

#include <arpa/inet.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <chrono>
#include <functional>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <utility>

#include "base/endpoint.hpp"
#include "base/file.hpp"
#include "net/address.hpp"
#include "net/socket.hpp"

namespace murder::net::test {

/// Runs the loop until `done()`. False after a minute, which takes a fault.
inline bool run_until(boost::asio::io_context& io, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    io.restart();
    // The far end is not on the loop: it is looked at again after a moment.
    io.run_one_for(std::chrono::milliseconds(2));
  }
  return true;
}

/// Runs what is ready, and what that makes ready.
inline void run_ready(boost::asio::io_context& io) {
  io.restart();
  while (io.poll() > 0) io.restart();
}

inline Endpoint loopback(std::uint16_t port = 0) { return {IpAddress::v4({127, 0, 0, 1}), port}; }

inline Endpoint local_endpoint_of(int fd) {
  boost::asio::ip::tcp::endpoint endpoint;
  auto size = static_cast<socklen_t>(endpoint.capacity());
  if (::getsockname(fd, endpoint.data(), &size) != 0) throw std::runtime_error("getsockname");
  endpoint.resize(size);
  return from_asio(endpoint);
}

/// A listening socket on a loopback port that the kernel picks; nobody accepts.
inline UniqueFd listening_socket(int backlog = 16) {
  UniqueFd fd = open_listening_socket(loopback()).fd;
  if (!fd || ::listen(fd.get(), backlog) != 0) throw std::runtime_error("listen");
  return fd;
}

/// A port that refuses connections for as long as this lives: bound, not listening.
class RefusingPort {
 public:
  RefusingPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const auto any_port = to_asio(loopback());
    if (::bind(fd_.get(), any_port.data(), static_cast<socklen_t>(any_port.size())) != 0)
      throw std::runtime_error("bind");
  }
  Endpoint endpoint() const { return local_endpoint_of(fd_.get()); }

 private:
  UniqueFd fd_;
};

/// The end driven by hand.
class RawSocket {
 public:
  RawSocket() = default;
  explicit RawSocket(UniqueFd fd) : fd_(std::move(fd)) {
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  static RawSocket connect_to(const Endpoint& endpoint) {
    UniqueFd fd = open_client_socket(endpoint.address, IpAddress()).fd;
    const auto address = to_asio(endpoint);
    if (::connect(fd.get(), address.data(), static_cast<socklen_t>(address.size())) != 0 &&
        errno != EINPROGRESS)
      throw std::runtime_error("connect");
    return RawSocket(std::move(fd));
  }

  /// All of it, running the loop while the kernel takes no more. False when the connection is gone.
  bool write(boost::asio::io_context& io, std::string_view bytes) {
    return run_until(io, [&] { return write_some(bytes) || broken_; }) && !broken_;
  }

  const std::string& received() const { return received_; }
  bool ended() const { return ended_; }
  bool was_reset() const {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return reset_ || error != 0;
  }
  /// Takes what is there.
  void read() {
    char buffer[65536];
    for (;;) {
      const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (got > 0) {
        received_.append(buffer, static_cast<std::size_t>(got));
        continue;
      }
      if (got == 0 || (errno != EAGAIN && errno != ENOTCONN)) ended_ = true;
      if (got < 0 && errno == ECONNRESET) reset_ = true;
      return;
    }
  }
  bool read_until(boost::asio::io_context& io,
                  const std::function<bool(const std::string&)>& done) {
    return run_until(io,
                     [&] {
                       read();
                       return done(received_) || ended_;
                     }) &&
           done(received_);
  }
  bool read_until_size(boost::asio::io_context& io, std::size_t size) {
    return read_until(io, [&](const std::string& s) { return s.size() >= size; });
  }
  bool read_until_end(boost::asio::io_context& io) {
    return run_until(io, [&] {
      read();
      return ended_;
    });
  }

  int fd() const { return fd_.get(); }
  /// How many segments with data have come in, as the kernel counts them.
  unsigned data_segments_in() const {
    // The C library's tcp_info ends before this field of the kernel's.
    struct {
      tcp_info known;
      std::uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
      std::uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
    } info{};
    socklen_t size = sizeof info;
    ::getsockopt(fd_.get(), IPPROTO_TCP, TCP_INFO, &info, &size);
    return info.data_segs_in;
  }
  void close() { fd_.reset(); }
  /// Ends the connection with a reset instead of an orderly end.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd_.reset();
  }

 private:
  bool write_some(std::string_view& bytes) {
    while (!bytes.empty()) {
      const ssize_t sent =
          ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0) {
        broken_ = errno != EAGAIN && errno != ENOTCONN && errno != EINPROGRESS;
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  UniqueFd fd_;
  std::string received_;
  bool ended_ = false;
  bool reset_ = false;
  bool broken_ = false;
};

/// A connected pair.
inline std::pair<boost::asio::ip::tcp::socket, RawSocket> raw_pair(boost::asio::io_context& io) {
  const UniqueFd listening = listening_socket();
  const Endpoint endpoint = local_endpoint_of(listening.get());
  RawSocket raw = RawSocket::connect_to(endpoint);
  UniqueFd accepted;
  run_until(io, [&] {
    accepted.reset(::accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    return static_cast<bool>(accepted);
  });
  return {adopt_socket(io, std::move(accepted)), std::move(raw)};
}

inline std::pair<boost::asio::ip::tcp::socket, boost::asio::ip::tcp::socket> socket_pair(
    boost::asio::io_context& io) {
  boost::asio::ip::tcp::acceptor acceptor(io, to_asio(loopback()));
  boost::asio::ip::tcp::socket one(io);
  one.connect(acceptor.local_endpoint());
  return {std::move(one), acceptor.accept()};
}

}  // namespace murder::net::test
