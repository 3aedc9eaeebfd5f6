// Connections are made and taken, or refused with words that help.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <set>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.hpp"
#include "loopback.hpp"
#include "net/peer_connection.hpp"

namespace murder::net::test {
namespace {

using boost::asio::ip::tcp;

const IpAddress local_address = loopback().address;
const IpAddress any_v6 = IpAddress::v6({});

bool has_ipv6_loopback() {
  return open_client_socket(*IpAddress::parse("::1"), *IpAddress::parse("::1")).error == 0;
}

/// A free port, so that a test can name one.
std::uint16_t free_port(boost::asio::io_context& io) {
  return PeerListener(io, local_address, {}, [](tcp::socket) {}).local_endpoint().port;
}

class Connecting : public ::testing::Test {
 protected:
  /// Dials and waits for what comes of it.
  std::string dial(const Endpoint& remote, const IpAddress& bind_address = {},
                   Duration timeout = std::chrono::seconds(10)) {
    std::optional<std::string> outcome;
    const Dial attempt(io, remote, bind_address, timeout,
                       [&](tcp::socket socket, const std::string& error) {
                         EXPECT_FALSE(outcome) << "called twice";
                         EXPECT_EQ(socket.is_open(), error.empty());
                         dialled = std::move(socket);
                         outcome = error;
                       });
    EXPECT_FALSE(outcome) << "called from the constructor";
    EXPECT_TRUE(run_until(io, [&] { return outcome.has_value(); }));
    run_ready(io);
    return outcome.value_or("nothing");
  }
  PeerListener::OnAccept keep() {
    return [this](tcp::socket socket) { accepted.push_back(std::move(socket)); };
  }

  boost::asio::io_context io;
  tcp::socket dialled{io};
  std::vector<tcp::socket> accepted;
};

TEST_F(Connecting, a_dial_reaches_a_listener) {
  const PeerListener listener(io, local_address, {}, keep());
  EXPECT_EQ(dial(listener.local_endpoint()), "");
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  EXPECT_EQ(from_asio(dialled.remote_endpoint()), listener.local_endpoint());
  EXPECT_EQ(dialled.local_endpoint(), accepted[0].remote_endpoint());
}

TEST_F(Connecting, sockets_are_not_inherited_by_children) {
  const PeerListener listener(io, local_address, {}, keep());
  ASSERT_EQ(dial(listener.local_endpoint()), "");
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  for (tcp::socket* socket : {&dialled, accepted.data()})
    EXPECT_NE(::fcntl(socket->native_handle(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(Connecting, a_refusal_names_the_address_and_the_reason) {
  const RefusingPort port;
  EXPECT_EQ(dial(port.endpoint()),
            "cannot connect to " + port.endpoint().to_string() + ": Connection refused");
}

TEST_F(Connecting, a_dial_that_nobody_answers_ends_in_time) {
  // With its queue full, a listening socket answers no SYN.
  const UniqueFd full = listening_socket(0);
  const Endpoint endpoint = local_endpoint_of(full.get());
  const RawSocket waiting = RawSocket::connect_to(endpoint);
  const RawSocket too_many = RawSocket::connect_to(endpoint);
  EXPECT_EQ(dial(endpoint, {}, std::chrono::milliseconds(50)),
            "cannot connect to " + endpoint.to_string() + ": no answer within 50 ms");
}

TEST_F(Connecting, a_destroyed_dial_is_silent) {
  const RefusingPort port;
  {
    const Dial refused(io, port.endpoint(), {}, std::chrono::seconds(10),
                       [](tcp::socket, const std::string&) { FAIL(); });
    const Dial unbindable(io, port.endpoint(), *IpAddress::parse("192.0.2.1"),
                          std::chrono::seconds(10),
                          [](tcp::socket, const std::string&) { FAIL(); });
  }
  run_ready(io);
}

TEST_F(Connecting, a_dial_may_be_destroyed_from_its_callback) {
  const PeerListener listener(io, local_address, {}, keep());
  std::unique_ptr<Dial> attempt;
  attempt =
      std::make_unique<Dial>(io, listener.local_endpoint(), IpAddress(), std::chrono::seconds(10),
                             [&](tcp::socket, const std::string&) { attempt.reset(); });
  EXPECT_TRUE(run_until(io, [&] { return attempt == nullptr; }));
}

TEST_F(Connecting, a_dial_leaves_from_the_address_it_is_bound_to) {
  const PeerListener listener(io, local_address, {}, keep());
  const IpAddress other = *IpAddress::parse("127.0.0.9");
  ASSERT_EQ(dial(listener.local_endpoint(), other), "");
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  EXPECT_EQ(from_asio(accepted[0].remote_endpoint()).address, other);
}

TEST_F(Connecting, an_address_that_is_not_ours_cannot_be_bound_to) {
  const RefusingPort port;
  EXPECT_EQ(dial(port.endpoint(), *IpAddress::parse("192.0.2.1")),
            "cannot connect to " + port.endpoint().to_string() +
                ": from 192.0.2.1: Cannot assign requested address");
}

TEST_F(Connecting, listeners_without_a_port_find_one_each) {
  // More than the range 8999 to 9029 holds.
  std::vector<std::unique_ptr<PeerListener>> listeners;
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 40; ++i) {
    listeners.push_back(std::make_unique<PeerListener>(io, local_address, PortRange{}, keep()));
    ports.insert(listeners.back()->local_endpoint().port);
  }
  EXPECT_EQ(ports.size(), 40u);
  const auto in_range = [](std::uint16_t port) { return port >= 8999 && port <= 9029; };
  EXPECT_LE(std::count_if(ports.begin(), ports.end(), in_range), 31);
}

TEST_F(Connecting, a_port_that_is_asked_for_is_the_one_or_an_error) {
  // An address of this process's own, so that nobody else takes the port meanwhile.
  const auto pid = static_cast<std::uint32_t>(::getpid());
  const IpAddress own =
      IpAddress::v4({127, static_cast<std::uint8_t>(1 + (pid >> 16) % 250),
                     static_cast<std::uint8_t>(pid >> 8), static_cast<std::uint8_t>(pid)});
  const std::uint16_t port = free_port(io);
  const PeerListener listener(io, own, {port, port}, keep());
  EXPECT_EQ(listener.local_endpoint(), (Endpoint{own, port}));
  try {
    const PeerListener second(io, own, {port, port}, keep());
    FAIL() << "two on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    EXPECT_EQ(error.what(), "cannot listen on " + listener.local_endpoint().to_string() +
                                ": Address already in use");
  }
}

TEST_F(Connecting, a_port_can_be_taken_again_at_once) {
  std::uint16_t port = 0;
  {
    const PeerListener listener(io, local_address, {}, keep());
    port = listener.local_endpoint().port;
    ASSERT_EQ(dial(listener.local_endpoint()), "");
    ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
    accepted.clear();  // this side closes first and is left in TIME_WAIT
    dialled.close();
    run_ready(io);
  }
  const PeerListener again(io, local_address, {port, port}, keep());
  EXPECT_EQ(dial(again.local_endpoint()), "");
}

TEST_F(Connecting, the_unspecified_ipv6_address_takes_ipv4_too) {
  if (!has_ipv6_loopback()) GTEST_SKIP() << "no IPv6 here";
  const PeerListener listener(io, any_v6, {}, keep());
  const std::uint16_t port = listener.local_endpoint().port;
  ASSERT_EQ(dial({local_address, port}), "");
  ASSERT_EQ(dial({*IpAddress::parse("::1"), port}), "");
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 2; }));
  EXPECT_EQ(from_asio(accepted[0].remote_endpoint()).address, local_address);
  EXPECT_EQ(from_asio(accepted[1].remote_endpoint()).address, *IpAddress::parse("::1"));
}

TEST_F(Connecting, a_listener_may_be_destroyed_while_it_accepts) {
  std::unique_ptr<PeerListener> listener;
  listener =
      std::make_unique<PeerListener>(io, local_address, PortRange{}, [&](tcp::socket socket) {
        accepted.push_back(std::move(socket));
        listener.reset();
      });
  const Endpoint endpoint = listener->local_endpoint();
  const RawSocket one = RawSocket::connect_to(endpoint);
  const RawSocket two = RawSocket::connect_to(endpoint);
  ASSERT_TRUE(run_until(io, [&] { return listener == nullptr; }));
  run_ready(io);
  EXPECT_EQ(accepted.size(), 1u);
}

/// Lets the process open no descriptor more while it lives.
class NoDescriptorsLeft {
 public:
  NoDescriptorsLeft() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const rlimit tight{static_cast<rlim_t>(next.get()), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &tight);
  }
  ~NoDescriptorsLeft() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(Connecting, accepting_goes_on_after_the_descriptors_ran_out) {
#ifdef __SANITIZE_ADDRESS__
  // The TSan build runs it.
  GTEST_SKIP()
      << "UBSan looks at an object's type through a pipe, and here there is none to be had";
#endif
  const PeerListener listener(io, local_address, {}, keep());
  const RawSocket early = RawSocket::connect_to(listener.local_endpoint());
  {
    const NoDescriptorsLeft tight;
    ASSERT_EQ(::open("/dev/null", O_RDONLY | O_CLOEXEC), -1);
    io.restart();
    io.run_one_for(std::chrono::seconds(5));  // the accept that fails
    ASSERT_TRUE(accepted.empty());
  }
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  const RawSocket late = RawSocket::connect_to(listener.local_endpoint());
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 2; }));
}

}  // namespace
}  // namespace murder::net::test
