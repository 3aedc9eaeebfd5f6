// One port for several swarms: who asks for what, without taking a byte of it.
#include "net/handshake_router.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>
#include <vector>

#include "bittorrent/wire.hpp"
#include "net/loopback.hpp"

namespace murder::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

InfoHash hash_of(char fill) { return *InfoHash::from_bytes(std::string(InfoHash::size, fill)); }

std::string handshake(char fill) {
  return wire::encode_handshake({.fast = false,
                                 .extensions = false,
                                 .info_hash = hash_of(fill),
                                 .peer_id = *PeerId::from_bytes(std::string(PeerId::size, 'p'))});
}

class Router : public testing::Test {
 protected:
  tcp::socket connect() {
    const Endpoint at = router_.local_endpoint();
    tcp::socket socket(io_);
    socket.connect({asio::ip::make_address(at.address.to_string()), at.port});
    return socket;
  }
  void run_until(const std::function<bool()>& done) {
    EXPECT_TRUE(net::test::run_until(io_, done));
  }
  static bool is_closed(tcp::socket& socket) {
    char byte = 0;
    return ::recv(socket.native_handle(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0 ||
           errno == ECONNRESET;
  }

  asio::io_context io_{1};
  std::vector<std::pair<InfoHash, tcp::socket>> asked_;
  HandshakeRouter router_{
      io_, *IpAddress::parse("127.0.0.1"), {}, [this](const InfoHash& hash, tcp::socket socket) {
        asked_.emplace_back(hash, std::move(socket));
      }};
};

TEST_F(Router, tells_swarms_apart_and_takes_nothing) {
  tcp::socket a = connect();
  tcp::socket b = connect();
  asio::write(a, asio::buffer(handshake('a') + "more"));
  asio::write(b, asio::buffer(handshake('b')));
  run_until([&] { return asked_.size() == 2; });
  for (auto& [hash, socket] : asked_) {
    const char fill = hash == hash_of('a') ? 'a' : 'b';
    std::string whole = handshake(fill) + (fill == 'a' ? "more" : "");
    std::string got(whole.size(), '\0');
    EXPECT_EQ(::recv(socket.native_handle(), got.data(), got.size(), MSG_WAITALL),
              std::ssize(whole));
    EXPECT_EQ(got, whole);
  }
}

TEST_F(Router, waits_for_one_that_comes_byte_by_byte) {
  tcp::socket slow = connect();
  for (const char byte : handshake('s')) {
    EXPECT_TRUE(asked_.empty() || asked_.size() == 1);
    asio::write(slow, asio::buffer(&byte, 1));
    test::run_ready(io_);
  }
  run_until([&] { return asked_.size() == 1; });
  EXPECT_EQ(asked_.front().first, hash_of('s'));
}

TEST_F(Router, closes_what_is_no_bittorrent_and_what_ends_early) {
  tcp::socket http = connect();
  tcp::socket early = connect();
  asio::write(http, asio::buffer("GET / HTTP/1.1\r\nHost: somewhere.example\r\n\r\n........"
                                 "........"));
  asio::write(early, asio::buffer(handshake('e').substr(0, 30)));
  early.shutdown(tcp::socket::shutdown_send);
  run_until([&] { return is_closed(http) && is_closed(early); });
  EXPECT_TRUE(asked_.empty());
}

TEST_F(Router, many_that_say_nothing_keep_nobody_out) {
  std::vector<tcp::socket> silent;
  for (int i = 0; i < 300; ++i) silent.push_back(connect());
  run_until([&] { return is_closed(silent.front()); });
  EXPECT_FALSE(is_closed(silent.back()));
  tcp::socket talks = connect();
  asio::write(talks, asio::buffer(handshake('t')));
  run_until([&] { return asked_.size() == 1; });
}

}  // namespace
}  // namespace murder::net
