// A UDP tracker for tests, driven by hand: it answers what it is told to, or nothing.
#pragma once

#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>

#include "bittorrent/support.hpp"
#include "net/loopback.hpp"

namespace murder::net::test {

class UdpTrackerByHand {
 public:
  explicit UdpTrackerByHand(const Endpoint& at = loopback())
      : fd_(::socket(at.address.is_v4() ? AF_INET : AF_INET6,
                     SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const auto address = to_asio(at);
    if (::bind(fd_.get(), address.data(), static_cast<socklen_t>(address.size())) != 0)
      throw std::runtime_error("bind");
  }
  Endpoint endpoint() const { return local_endpoint_of(fd_.get()); }

  Endpoint heard_from() const {
    boost::asio::ip::tcp::endpoint from;
    std::memcpy(from.data(), &from_, from_size_);
    from.resize(from_size_);
    return from_asio(from);
  }

  /// The next packet, running the loop until it is there; its sender is answered from now on.
  std::string take(boost::asio::io_context& io) {
    std::string packet;
    EXPECT_TRUE(run_until(io, [&] {
      char buffer[2048];
      from_size_ = sizeof from_;
      const ssize_t got = ::recvfrom(fd_.get(), buffer, sizeof buffer, 0,
                                     reinterpret_cast<sockaddr*>(&from_), &from_size_);
      if (got < 0) return false;
      packet.assign(buffer, static_cast<std::size_t>(got));
      return true;
    })) << "no packet came";
    return packet;
  }
  void say(std::string_view packet) const {
    ::sendto(fd_.get(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&from_),
             from_size_);
  }
  /// From another port of the same host, to whom was heard last.
  void say_from_elsewhere(std::string_view packet) const {
    const UniqueFd other(::socket(from_.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ::sendto(other.get(), packet.data(), packet.size(), 0,
             reinterpret_cast<const sockaddr*>(&from_), from_size_);
  }
  /// From now on the port refuses, and nobody else gets it: the socket is for packets from its own
  /// address alone.
  void stop_listening() const {
    const auto own = to_asio(endpoint());
    ::connect(fd_.get(), own.data(), static_cast<socklen_t>(own.size()));
  }
  /// Takes a connect and grants it.
  void grant(boost::asio::io_context& io) {
    const std::string connect = take(io);
    EXPECT_TRUE(is_connect(connect));
    say(granted(connect));
  }
  /// Takes an announce and answers it with a seeder at 198.18.0.1:8999.
  void answer(boost::asio::io_context& io) {
    const std::string announce = take(io);
    EXPECT_TRUE(is_announce(announce));
    say(announced(announce));
  }

  static bool is_connect(std::string_view packet) { return packet.size() == 16; }
  static bool is_announce(std::string_view packet) {
    return packet.size() >= 98 && packet.starts_with(testing::unhex("8877665544332211 00000001"));
  }
  static std::string head(std::string_view kind, std::string_view asked) {
    return testing::unhex(kind) + std::string(asked.substr(12, 4));
  }
  static std::string granted(std::string_view connect) {
    return head("00000000", connect) + testing::unhex("8877665544332211");
  }
  static std::string announced(std::string_view announce) {
    return head("00000001", announce) + testing::unhex("00000708 00000003 00000002 c6120001 2327");
  }

 private:
  UniqueFd fd_;
  sockaddr_storage from_{};
  socklen_t from_size_ = 0;
};

}  // namespace murder::net::test
