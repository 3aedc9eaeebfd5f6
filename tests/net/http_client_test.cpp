// Whatever answers, or does not, the caller gets one result, with words that name the server.
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "loopback.hpp"
#include "net/http.hpp"

namespace murder::net::test {
namespace {

class AskingHttp : public ::testing::Test {
 protected:
  HttpGet::Options options_for(const Endpoint& endpoint) const {
    HttpGet::Options options;
    options.host = endpoint.address.to_string();
    options.port = endpoint.port;
    return options;
  }
  HttpResult get(const HttpGet::Options& options) {
    std::optional<HttpResult> result;
    const HttpGet exchange(io, options, [&](HttpResult outcome) {
      EXPECT_FALSE(result) << "called twice";
      result = std::move(outcome);
    });
    EXPECT_FALSE(result) << "called from the constructor";
    EXPECT_TRUE(run_until(io, [&] {
      answer_by_hand();
      return result.has_value();
    }));
    run_ready(io);
    HttpResult got = result.value_or(HttpResult{});
    EXPECT_EQ(got.status == 0, !got.error.empty());
    return got;
  }

  /// A server that reads a request and says `canned`, then closes when `then_close`.
  Endpoint serve_by_hand(std::string canned, bool then_close = true) {
    listening = listening_socket();
    answer = std::move(canned);
    close_after = then_close;
    return local_endpoint_of(listening.get());
  }
  void answer_by_hand() {
    if (!listening) return;
    if (client.fd() < 0) {
      UniqueFd fd(::accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd) client = RawSocket(std::move(fd));
      return;
    }
    client.read();
    if (answered || client.received().find("\r\n\r\n") == std::string::npos) return;
    answered = true;
    (void)client.write(io, answer);
    if (close_after) client.close();
  }

  boost::asio::io_context io;
  UniqueFd listening;
  RawSocket client;
  std::string answer;
  bool close_after = true;
  bool answered = false;
};

TEST_F(AskingHttp, an_answer_comes_with_status_and_body) {
  HttpServer server(io, loopback(), [](const HttpRequest& request) {
    return HttpResponse{request.path() == "/yes" ? 200u : 404u, "text/plain", request.target};
  });
  HttpGet::Options options = options_for(server.local_endpoint());
  options.target = "/yes?info_hash=%00%ff";
  HttpResult result = get(options);
  EXPECT_EQ(result.status, 200u);
  EXPECT_EQ(result.body, "/yes?info_hash=%00%ff");
  options.target = "/no";
  result = get(options);
  EXPECT_EQ(result.status, 404u);
  EXPECT_EQ(result.body, "/no");
}

TEST_F(AskingHttp, the_request_names_host_and_port) {
  const Endpoint endpoint = serve_by_hand("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false);
  EXPECT_EQ(get(options_for(endpoint)).body, "ok");
  EXPECT_TRUE(client.received().starts_with("GET / HTTP/1.1\r\n"));
  EXPECT_NE(client.received().find("Host: " + endpoint.to_string() + "\r\n"), std::string::npos);
}

TEST_F(AskingHttp, a_range_is_asked_for_and_what_the_answer_says_of_it_is_told) {
  HttpGet::Options options = options_for(serve_by_hand(
      "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-6/9\r\nContent-Length: 2\r\n\r\nok"));
  options.range = "bytes=5-6";
  options.max_body_bytes = 2;
  const HttpResult result = get(options);
  EXPECT_EQ(result.status, 206u);
  EXPECT_EQ(result.content_range, "bytes 5-6/9");
  EXPECT_NE(client.received().find("Range: bytes=5-6\r\n"), std::string::npos);
}

TEST_F(AskingHttp, a_server_that_sends_all_for_a_range_is_told_from_one_that_floods) {
  HttpGet::Options options = options_for(
      serve_by_hand("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + std::string(900, 'x')));
  options.range = "bytes=5-6";
  options.max_body_bytes = 2;
  const HttpResult result = get(options);
  EXPECT_EQ(result.status, 0u);
  EXPECT_TRUE(result.is_whole_for_range);
  EXPECT_NE(result.error.find("does not serve ranges"), std::string::npos) << result.error;
}

TEST_F(AskingHttp, retry_after_is_told) {
  const Endpoint endpoint =
      serve_by_hand("HTTP/1.1 503 Later\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(get(options_for(endpoint)).retry_after, "120");
}

TEST_F(AskingHttp, ipv6_addresses_are_bracketed) {
  const RefusingPort port;
  HttpGet::Options options = options_for({*IpAddress::parse("::1"), port.endpoint().port});
  const std::string error = get(options).error;
  EXPECT_TRUE(error.starts_with("cannot connect to [::1]:")) << error;
}

TEST_F(AskingHttp, a_name_is_resolved) {
  HttpServer server(io, loopback(), [](const HttpRequest&) { return HttpResponse{}; });
  HttpGet::Options options = options_for(server.local_endpoint());
  options.host = "localhost";
  const HttpResult result = get(options);
  EXPECT_EQ(result.status, 200u) << result.error;
}

TEST_F(AskingHttp, a_name_that_cannot_be_is_an_error_that_names_it) {
  HttpGet::Options options;
  options.host = std::string(64, 'a') + ".invalid";  // a label has 63 at most: nobody is asked
  const std::string error = get(options).error;
  EXPECT_TRUE(error.starts_with("cannot resolve " + options.host)) << error;
}

TEST_F(AskingHttp, a_refusal_names_server_and_reason) {
  const RefusingPort port;
  EXPECT_EQ(get(options_for(port.endpoint())).error,
            "cannot connect to " + port.endpoint().to_string() + ": Connection refused");
}

TEST_F(AskingHttp, a_server_that_accepts_and_says_nothing_times_out) {
  const UniqueFd silent = listening_socket();
  HttpGet::Options options = options_for(local_endpoint_of(silent.get()));
  options.timeout = std::chrono::milliseconds(50);
  EXPECT_EQ(get(options).error,
            "no answer from " + local_endpoint_of(silent.get()).to_string() + " within 50 ms");
}

TEST_F(AskingHttp, a_server_that_does_not_accept_times_out) {
  const UniqueFd full = listening_socket(0);
  const Endpoint endpoint = local_endpoint_of(full.get());
  const RawSocket waiting = RawSocket::connect_to(endpoint);
  const RawSocket too_many = RawSocket::connect_to(endpoint);
  HttpGet::Options options = options_for(endpoint);
  options.timeout = std::chrono::milliseconds(50);
  EXPECT_EQ(get(options).error, "no answer from " + endpoint.to_string() + " within 50 ms");
}

TEST_F(AskingHttp, an_answer_that_never_ends_times_out) {
  const Endpoint endpoint =
      serve_by_hand("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", false);
  HttpGet::Options options = options_for(endpoint);
  options.timeout = std::chrono::milliseconds(100);
  EXPECT_EQ(get(options).error, "no answer from " + endpoint.to_string() + " within 100 ms");
}

TEST_F(AskingHttp, an_answer_without_a_length_ends_with_the_connection) {
  const Endpoint endpoint = serve_by_hand("HTTP/1.0 200 OK\r\n\r\n<html>hello</html>");
  const HttpResult result = get(options_for(endpoint));
  EXPECT_EQ(result.status, 200u);
  EXPECT_EQ(result.body, "<html>hello</html>");
}

TEST_F(AskingHttp, a_chunked_answer_is_put_together) {
  const Endpoint endpoint = serve_by_hand(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
  EXPECT_EQ(get(options_for(endpoint)).body, "abcdefg");
}

TEST_F(AskingHttp, redirects_are_not_followed) {
  const Endpoint endpoint = serve_by_hand(
      "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(get(options_for(endpoint)).status, 302u);
}

TEST_F(AskingHttp, an_answer_beyond_the_limit_is_refused) {
  const std::string body(5000, 'x');
  for (const std::string head :
       {"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"}) {
    client = RawSocket();
    answered = false;
    const Endpoint endpoint = serve_by_hand(head + body);
    HttpGet::Options options = options_for(endpoint);
    options.max_body_bytes = 4999;
    EXPECT_EQ(get(options).error, "answer of " + endpoint.to_string() + " is larger than 5.0 kB");
    options.max_body_bytes = 5000;
    client = RawSocket();
    answered = false;
    EXPECT_EQ(get(options).body, body);
  }
}

TEST_F(AskingHttp, a_connection_closed_early_says_how_early) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", " closed the connection without an answer"},
      {"HTTP/1.1 200", " closed the connection in the middle of its answer"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
       " closed the connection in the middle of its answer"}};
  for (const auto& [bytes, words] : cases) {
    client = RawSocket();
    answered = false;
    const Endpoint endpoint = serve_by_hand(bytes);
    EXPECT_EQ(get(options_for(endpoint)).error, endpoint.to_string() + words);
  }
}

TEST_F(AskingHttp, something_other_than_http_is_told_as_such) {
  const Endpoint endpoint = serve_by_hand("SSH-2.0-OpenSSH_9.2\r\n\r\n");
  const std::string error = get(options_for(endpoint)).error;
  EXPECT_TRUE(error.starts_with("answer of " + endpoint.to_string() + " is not HTTP: ")) << error;
}

TEST_F(AskingHttp, a_target_that_would_split_the_request_is_not_sent) {
  const Endpoint endpoint = serve_by_hand("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  for (const std::string target : {"/a b", "/a\r\nX: y", "/\x80"}) {
    HttpGet::Options options = options_for(endpoint);
    options.target = target;
    const std::string error = get(options).error;
    EXPECT_TRUE(error.ends_with("not a valid target")) << error;
    EXPECT_EQ(error.find('\r'), std::string::npos);
  }
  EXPECT_LT(client.fd(), 0);
}

TEST_F(AskingHttp, it_leaves_from_the_address_it_is_bound_to) {
  HttpServer server(io, loopback(), [](const HttpRequest& request) {
    return HttpResponse{200, "text/plain", request.remote.address.to_string()};
  });
  HttpGet::Options options = options_for(server.local_endpoint());
  options.bind_address = *IpAddress::parse("127.0.0.9");
  EXPECT_EQ(get(options).body, "127.0.0.9");
}

TEST_F(AskingHttp, a_destroyed_exchange_is_silent_at_any_step) {
  HttpServer server(io, loopback(), [](const HttpRequest&) { return HttpResponse{}; });
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    for (int steps = 0; steps < 8; ++steps) {
      HttpGet::Options options = options_for(server.local_endpoint());
      options.host = host;
      bool called = false;
      {
        const HttpGet exchange(io, options, [&](const HttpResult&) { called = true; });
        for (int i = 0; i < steps && !called; ++i) {
          io.restart();
          io.run_one_for(std::chrono::seconds(1));
        }
        called = false;
      }
      run_ready(io);
      EXPECT_FALSE(called);
    }
  }
}

TEST_F(AskingHttp, an_exchange_may_be_destroyed_from_its_callback) {
  HttpServer server(io, loopback(), [](const HttpRequest&) { return HttpResponse{}; });
  std::unique_ptr<HttpGet> exchange;
  exchange = std::make_unique<HttpGet>(io, options_for(server.local_endpoint()),
                                       [&](const HttpResult&) { exchange.reset(); });
  EXPECT_TRUE(run_until(io, [&] { return exchange == nullptr; }));
}

}  // namespace
}  // namespace murder::net::test
