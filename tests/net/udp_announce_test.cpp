// Announces to a UDP tracker over real sockets: what is lost, foreign, wrong or refused.
#include "net/udp_announce.hpp"

#include <chrono>
#include <optional>

#include "net/udp_tracker_by_hand.hpp"

namespace murder::net::test {
namespace {

using namespace std::chrono_literals;

class AskingUdp : public ::testing::Test {
 protected:
  static UdpAnnounce::Options options_for(const Endpoint& endpoint) {
    UdpAnnounce::Options options;
    options.host = endpoint.address.to_string();
    options.port = endpoint.port;
    options.request.info_hash = *InfoHash::from_bytes("aaaaaaaaaabbbbbbbbbb");
    options.request.port = 8999;
    options.timeout = 60s;
    return options;
  }
  void ask(const UdpAnnounce::Options& options) {
    result.reset();
    question = std::make_unique<UdpAnnounce>(io, memory, options, [&](UdpAnnounce::Result got) {
      EXPECT_FALSE(result) << "called twice";
      result = std::move(got);
    });
    EXPECT_FALSE(result) << "called from the constructor";
  }
  UdpAnnounce::Result wait() {
    EXPECT_TRUE(run_until(io, [&] { return result.has_value(); }));
    run_ready(io);
    return result.value_or(UdpAnnounce::Result{});
  }
  UdpAnnounce::Result get(const UdpAnnounce::Options& options) {
    ask(options);
    return wait();
  }

  boost::asio::io_context io;
  std::shared_ptr<UdpTrackerMemory> memory = std::make_shared<UdpTrackerMemory>(Random(1));
  UdpTrackerByHand tracker;
  std::optional<UdpAnnounce::Result> result;
  std::unique_ptr<UdpAnnounce> question;
};

TEST_F(AskingUdp, an_announce_is_answered) {
  UdpAnnounce::Options options = options_for(tracker.endpoint());
  options.target = "/announce?key=x";
  ask(options);
  tracker.grant(io);
  const std::string announce = tracker.take(io);
  EXPECT_TRUE(announce.ends_with("\x02\x0f/announce?key=x"));
  tracker.say(tracker.announced(announce));
  const UdpAnnounce::Result got = wait();
  EXPECT_EQ(got.problem, "");
  EXPECT_EQ(got.reply.interval_s, 1800u);
  ASSERT_EQ(got.reply.peers.size(), 1u);
  EXPECT_EQ(got.reply.peers[0].endpoint.to_string(), "198.18.0.1:8999");
}

TEST_F(AskingUdp, the_connection_is_kept_for_the_next_announce_and_for_a_minute) {
  ask(options_for(tracker.endpoint()));
  tracker.grant(io);
  tracker.answer(io);
  EXPECT_EQ(wait().problem, "");
  ask(options_for(tracker.endpoint()));
  tracker.answer(io);
  EXPECT_EQ(wait().problem, "");
  ASSERT_EQ(memory->connections.size(), 1u);
  auto& until = memory->connections.begin()->second.until;
  EXPECT_LE(until, std::chrono::steady_clock::now() + 60s);
  until = std::chrono::steady_clock::now();  // as a minute later
  ask(options_for(tracker.endpoint()));
  tracker.grant(io);
  tracker.answer(io);
  EXPECT_EQ(wait().problem, "");
}

TEST_F(AskingUdp, a_lost_packet_is_sent_again) {
  ask(options_for(tracker.endpoint()));
  const std::string lost = tracker.take(io);
  const std::string again = tracker.take(io);
  EXPECT_EQ(again, lost);
  tracker.say(tracker.granted(again));
  tracker.say(tracker.granted(again));  // both arrived, after all
  tracker.answer(io);
  EXPECT_EQ(wait().problem, "");
}

TEST_F(AskingUdp, packets_from_elsewhere_and_of_other_questions_are_ignored) {
  ask(options_for(tracker.endpoint()));
  const std::string connect = tracker.take(io);
  std::string forged = tracker.granted(connect);
  forged.back() = 'x';
  tracker.say_from_elsewhere(forged);
  std::string other = forged;
  other[7] = static_cast<char>(other[7] ^ 1);
  tracker.say(other);
  tracker.say("");
  run_ready(io);
  tracker.say(tracker.granted(connect));
  tracker.answer(io);  // with the connection of the one that counts
  EXPECT_EQ(wait().problem, "");
}

TEST_F(AskingUdp, a_refusal_is_told_in_the_trackers_words) {
  ask(options_for(tracker.endpoint()));
  tracker.say(tracker.head("00000003", tracker.take(io)) + "not for you");
  EXPECT_EQ(wait().problem, "not for you");
}

TEST_F(AskingUdp, nonsense_is_an_error_and_not_waited_out) {
  ask(options_for(tracker.endpoint()));
  tracker.grant(io);
  const std::string announced = tracker.announced(tracker.take(io));
  tracker.say(std::string_view(announced).substr(0, announced.size() - 1));
  EXPECT_EQ(wait().problem, "it sent an answer of 25 bytes to an announce");
}

TEST_F(AskingUdp, a_port_where_nobody_listens_is_known_at_once) {
  tracker.stop_listening();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(get(options_for(tracker.endpoint())).problem,
            "cannot ask " + tracker.endpoint().to_string() + " over UDP: Connection refused");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
}

TEST_F(AskingUdp, a_tracker_that_goes_away_in_the_middle_is_known_at_once) {
  ask(options_for(tracker.endpoint()));
  tracker.grant(io);
  tracker.stop_listening();
  EXPECT_NE(wait().problem.find("Connection refused"), std::string::npos) << result->problem;
}

TEST_F(AskingUdp, silence_ends_with_the_time_that_was_given) {
  UdpAnnounce::Options options = options_for(tracker.endpoint());
  options.timeout = 50ms;
  EXPECT_EQ(get(options).problem,
            "no answer from " + tracker.endpoint().to_string() + " over UDP within 50 ms");
}

TEST_F(AskingUdp, over_ipv6_peers_are_of_ipv6) {
  UdpTrackerByHand asked({*IpAddress::parse("::1"), 0});
  ask(options_for(asked.endpoint()));
  asked.grant(io);
  const std::string announce = asked.take(io);
  asked.say(asked.head("00000001", announce) +
            testing::unhex("00000708 00000000 00000001 20010db8000000000000000000000001 2327"));
  const UdpAnnounce::Result got = wait();
  EXPECT_EQ(got.problem, "");
  ASSERT_EQ(got.reply.peers.size(), 1u);
  EXPECT_EQ(got.reply.peers[0].endpoint.to_string(), "[2001:db8::1]:8999");
}

TEST_F(AskingUdp, it_asks_from_the_address_that_it_is_given) {
  UdpAnnounce::Options options = options_for(tracker.endpoint());
  options.bind_address = *IpAddress::parse("127.0.0.9");
  ask(options);
  tracker.grant(io);
  EXPECT_EQ(tracker.heard_from().address.to_string(), "127.0.0.9");
  tracker.answer(io);
  EXPECT_EQ(wait().problem, "");
  options.bind_address = *IpAddress::parse("192.0.2.1");  // nobody's (RFC 5737)
  EXPECT_NE(get(options).problem.find("from 192.0.2.1: "), std::string::npos) << result->problem;
}

TEST_F(AskingUdp, a_name_is_resolved) {
  UdpAnnounce::Options options = options_for(tracker.endpoint());
  options.host = "localhost";
  ask(options);
  tracker.grant(io);
  tracker.answer(io);
  EXPECT_EQ(wait().problem, "");
  options.host = std::string(64, 'a') + ".invalid";  // a label has 63 at most: nobody is asked
  EXPECT_TRUE(get(options).problem.starts_with("cannot resolve " + options.host));
}

TEST_F(AskingUdp, destroying_it_ends_it_and_nothing_is_called) {
  ask(options_for(tracker.endpoint()));
  const std::string connect = tracker.take(io);
  tracker.say(tracker.granted(connect));
  question.reset();
  run_ready(io);
  ask(options_for(tracker.endpoint()));
  question.reset();
  run_ready(io);
  EXPECT_FALSE(result);
}

TEST_F(AskingUdp, the_callback_may_destroy_it) {
  bool called = false;
  question = std::make_unique<UdpAnnounce>(io, memory, options_for(tracker.endpoint()),
                                           [&](const UdpAnnounce::Result&) {
                                             question.reset();
                                             called = true;
                                           });
  tracker.grant(io);
  tracker.answer(io);
  EXPECT_TRUE(run_until(io, [&] { return called; }));
  run_ready(io);
}

}  // namespace
}  // namespace murder::net::test
