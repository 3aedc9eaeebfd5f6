// Trackers of either kind are asked in the same way, and those of no kind are left out.
#include "node/tracker_question.hpp"

#include <gtest/gtest.h>
#include <optional>

#include "net/udp_tracker_by_hand.hpp"

namespace murder::node {
namespace {

using namespace std::chrono_literals;
using net::test::UdpTrackerByHand;

class AskingTrackers : public ::testing::Test {
 protected:
  void ask(const std::string& url) {
    AnnounceRequest request;
    request.port = 8999;
    answer.reset();
    question = client.ask(url, request, 60s, [&](const TrackerAnswer& got) { answer = got; });
  }
  TrackerAnswer wait() {
    EXPECT_TRUE(net::test::run_until(io, [&] { return answer.has_value(); }));
    return answer.value_or(TrackerAnswer{});
  }

  boost::asio::io_context io;
  TrackerClient client{io, IpAddress()};
  std::optional<TrackerAnswer> answer;
  std::unique_ptr<TrackerQuestion> question;
};

TEST_F(AskingTrackers, over_udp_a_client_connects_once_a_minute) {
  UdpTrackerByHand tracker;
  const std::string url = "udp://" + tracker.endpoint().to_string() + "/a";
  ask(url);
  tracker.grant(io);
  tracker.answer(io);
  EXPECT_EQ(wait().reply.peers.size(), 1u);
  ask(url);
  const std::string announce = tracker.take(io);
  EXPECT_TRUE(tracker.is_announce(announce));
  EXPECT_TRUE(announce.ends_with("\x02\x02/a"));
  tracker.say(tracker.announced(announce));
  EXPECT_EQ(wait().problem, "");
}

TEST_F(AskingTrackers, over_http_the_trackers_words_are_told_whatever_the_status) {
  unsigned status = 200;
  std::string body = "d8:intervali9e5:peers0:e";
  net::HttpServer server(io, net::test::loopback(), [&](const net::HttpRequest& request) {
    EXPECT_TRUE(request.target.starts_with("/a?k=1&info_hash=")) << request.target;
    return net::HttpResponse{status, "text/plain", body};
  });
  const std::string url = "http://" + server.local_endpoint().to_string() + "/a?k=1";
  ask(url);
  EXPECT_EQ(wait().reply.interval_s, 9u);
  EXPECT_EQ(answer->problem, "");
  status = 400;
  body = "d14:failure reason7:go awaye";
  ask(url);
  EXPECT_EQ(wait().problem, "go away");
  body = "<html>";
  ask(url);
  EXPECT_TRUE(wait().problem.starts_with("HTTP status 400 (")) << answer->problem;
}

TEST_F(AskingTrackers, what_is_no_tracker_is_refused_or_left_out) {
  EXPECT_THROW(ask("wss://origin/announce"), Error);
  ask("https://origin/announce");
  EXPECT_EQ(wait().problem, "cannot ask origin:443: this murder speaks no TLS");
  Log log = Log::silent();
  EXPECT_EQ(usable_trackers({"https://a/announce", "udp://b:6969", "wss://c", "http://d"},
                            "the torrent", log),
            (std::vector<std::string>{"udp://b:6969", "http://d"}));
}

}  // namespace
}  // namespace murder::node
