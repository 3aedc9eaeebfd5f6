// The HTTP server answers what is well formed, refuses the rest, and waits for nobody for ever.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdexcept>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/random.hpp"
#include "base/temp_dir.hpp"
#include "loopback.hpp"
#include "net/http.hpp"
#include "net/signals.hpp"

namespace murder::net::test {
namespace {

class ServingHttp : public ::testing::Test {
 protected:
  ServingHttp() {
    handler = [](const HttpRequest& request) {
      return HttpResponse{200, "text/plain", request.method + " " + request.target};
    };
  }
  void serve() {
    server = std::make_unique<HttpServer>(
        io, loopback(),
        [this](const HttpRequest& request) {
          requests.push_back(request);
          return handler(request);
        },
        limits);
  }
  RawSocket connect() { return RawSocket::connect_to(server->local_endpoint()); }
  /// Sends the bytes on a connection of their own and returns all that comes until the server
  /// closes.
  std::string exchange(std::string_view bytes) {
    RawSocket client = connect();
    (void)client.write(io, bytes);
    EXPECT_TRUE(client.read_until_end(io));
    return client.received();
  }
  /// The same for what the server refuses: also a client that sends all before it reads anything
  /// gets to see the answer.
  std::string refusal(std::string_view bytes) {
    RawSocket client = connect();
    EXPECT_TRUE(client.write(io, bytes));
    EXPECT_TRUE(client.read_until_end(io));
    EXPECT_FALSE(client.was_reset());
    EXPECT_TRUE(requests.empty());
    return client.received();
  }
  static bool ends_with_body(const std::string& received, std::string_view body) {
    return received.ends_with("\r\n\r\n" + std::string(body));
  }

  boost::asio::io_context io;
  HttpServerLimits limits;
  HttpServer::Handler handler;
  std::vector<HttpRequest> requests;
  std::unique_ptr<HttpServer> server;
};

const std::string closing_get = "GET /x?a=1&b=%20 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

TEST_F(ServingHttp, a_request_reaches_the_handler_as_it_was_sent) {
  serve();
  const std::string answer = exchange(closing_get);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(answer.find("Content-Type: text/plain\r\n"), std::string::npos);
  EXPECT_TRUE(ends_with_body(answer, "GET /x?a=1&b=%20"));
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].path(), "/x");
  EXPECT_EQ(requests[0].query(), "a=1&b=%20");
  EXPECT_EQ(requests[0].remote.address, loopback().address);
}

TEST(HttpRequestTest, a_target_without_a_query_has_an_empty_one) {
  const HttpRequest plain{"GET", "/announce", {}};
  EXPECT_EQ(plain.path(), "/announce");
  EXPECT_EQ(plain.query(), "");
  const HttpRequest empty{"GET", "/announce?", {}};
  EXPECT_EQ(empty.path(), "/announce");
  EXPECT_EQ(empty.query(), "");
}

TEST_F(ServingHttp, a_connection_is_kept_for_the_next_request) {
  serve();
  RawSocket client = connect();
  for (const std::string name : {"/one", "/two", "/three"}) {
    ASSERT_TRUE(client.write(io, "GET " + name + " HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_TRUE(client.read_until(
        io, [&](const std::string& s) { return ends_with_body(s, "GET " + name); }));
  }
  EXPECT_EQ(server->connection_count(), 1u);
}

TEST_F(ServingHttp, pipelined_requests_are_answered_in_order) {
  serve();
  std::string bytes;
  for (int i = 0; i < 50; ++i)
    bytes += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string answer = exchange(bytes + closing_get);
  std::size_t at = 0;
  for (int i = 0; i < 50; ++i) {
    at = answer.find("\r\n\r\nGET /" + std::to_string(i), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
  EXPECT_EQ(requests.size(), 51u);
}

TEST_F(ServingHttp, http_1_0_is_closed_after_the_answer) {
  serve();
  EXPECT_TRUE(ends_with_body(exchange("GET / HTTP/1.0\r\n\r\n"), "GET /"));
}

TEST_F(ServingHttp, head_is_get_without_the_body) {
  serve();
  const std::string answer =
      exchange("HEAD /page HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(ends_with_body(answer, ""));
  EXPECT_NE(answer.find("Content-Length: 9\r\n"), std::string::npos) << answer;
  EXPECT_EQ(requests.at(0).method, "GET");
}

TEST_F(ServingHttp, head_does_not_disturb_the_next_answer) {
  serve();
  const std::string answer = exchange("HEAD /page HTTP/1.1\r\nHost: h\r\n\r\n" + closing_get);
  EXPECT_TRUE(ends_with_body(answer, "GET /x?a=1&b=%20"));
}

TEST_F(ServingHttp, a_small_body_is_skipped) {
  serve();
  const std::string answer = exchange(
      "POST /announce HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" + closing_get);
  EXPECT_NE(answer.find("\r\n\r\nPOST /announce"), std::string::npos);
  EXPECT_TRUE(ends_with_body(answer, "GET /x?a=1&b=%20"));
}

TEST_F(ServingHttp, a_large_body_is_refused) {
  serve();
  const std::string answer = refusal(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n" + std::string(500'000, 'x'));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
}

TEST_F(ServingHttp, an_endless_header_is_refused) {
  serve();
  const std::string answer =
      refusal("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(500'000, 'x') + "\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 431 ")) << answer;
}

TEST_F(ServingHttp, an_endless_request_line_is_refused) {
  serve();
  const std::string answer = refusal("GET /" + std::string(500'000, 'x'));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 431 ")) << answer;
}

TEST_F(ServingHttp, a_header_within_the_limit_passes) {
  serve();
  const std::string answer =
      exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX: " + std::string(15'000, 'x') +
               "\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
}

TEST_F(ServingHttp, noise_is_refused) {
  serve();
  for (const std::string bytes : {"\x13"
                                  "BitTorrent protocol\r\n\r\n",
                                  "\r\n\r\nfoo\r\n\r\n", "GET / HTTP/7.3\r\n\r\n", "GET\r\n\r\n"}) {
    const std::string answer = exchange(bytes);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
  }
  EXPECT_TRUE(requests.empty());
}

TEST_F(ServingHttp, a_client_that_leaves_early_is_forgotten) {
  serve();
  RawSocket client = connect();
  ASSERT_TRUE(client.write(io, "GET / HT"));
  ASSERT_TRUE(run_until(io, [&] { return server->connection_count() == 1; }));
  client.close();
  EXPECT_TRUE(run_until(io, [&] { return server->connection_count() == 0; }));
}

TEST_F(ServingHttp, a_slow_loris_is_closed_however_it_drips) {
  limits.patience = std::chrono::milliseconds(100);
  serve();
  RawSocket client = connect();
  ASSERT_TRUE(client.write(io, "GET / HTTP/1.1\r\nX: "));
  // A byte a millisecond: never idle, never done, never more than a head may be.
  auto last = std::chrono::steady_clock::now();
  EXPECT_TRUE(run_until(io, [&] {
    const auto now = std::chrono::steady_clock::now();
    if (now - last >= std::chrono::milliseconds(1)) {
      ::send(client.fd(), "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
      last = now;
    }
    client.read();
    return client.ended();
  }));
  EXPECT_TRUE(requests.empty());
  EXPECT_EQ(client.received(), "");
}

TEST_F(ServingHttp, a_client_that_reads_nothing_is_closed) {
  limits.patience = std::chrono::milliseconds(100);
  handler = [](const HttpRequest&) {
    return HttpResponse{200, "text/plain", std::string(64u << 20, 'x')};
  };
  serve();
  RawSocket client = connect();
  ASSERT_TRUE(client.write(io, closing_get));
  ASSERT_TRUE(run_until(io, [&] { return requests.size() == 1; }));
  EXPECT_TRUE(run_until(io, [&] { return server->connection_count() == 0; }));
}

class ServingFiles : public ServingHttp {
 protected:
  ServingFiles() {
    ignore_sigpipe();
    handler = [this](const HttpRequest& request) {
      HttpResponse response{200, "application/octet-stream", ""};
      response.file =
          UniqueFd(::open((folder.path() / request.path().substr(1)).c_str(), O_RDONLY));
      return response;
    };
  }
  std::string make(const std::string& name, std::size_t size) {
    std::string content(size, '\0');
    Random random(1);
    for (char& c : content) c = static_cast<char>(random.next());
    write_file_atomically(folder.path() / name, content);
    return content;
  }
  static std::string get(const std::string& name, bool keep = false) {
    return "GET /" + name + " HTTP/1.1\r\nHost: h\r\n" + (keep ? "" : "Connection: close\r\n") +
           "\r\n";
  }
  murder::test::TempDir folder;
};

TEST_F(ServingFiles, a_file_is_the_body) {
  const std::string content = make("large", 5'000'000);
  serve();
  const std::string answer = exchange(get("large"));
  EXPECT_NE(answer.find("Content-Length: 5000000\r\n"), std::string::npos);
  EXPECT_TRUE(ends_with_body(answer, content));
  EXPECT_EQ(server->file_count(), 0u);
}

TEST_F(ServingFiles, an_empty_file_is_an_empty_body) {
  make("empty", 0);
  serve();
  const std::string answer = exchange(get("empty"));
  EXPECT_NE(answer.find("Content-Length: 0\r\n"), std::string::npos);
  EXPECT_TRUE(ends_with_body(answer, ""));
}

TEST_F(ServingFiles, head_says_the_length_alone) {
  make("large", 5'000'000);
  serve();
  const std::string answer =
      exchange("HEAD /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("Content-Length: 5000000\r\n"), std::string::npos);
  EXPECT_TRUE(ends_with_body(answer, ""));
  EXPECT_EQ(server->file_count(), 0u);
}

TEST_F(ServingFiles, the_connection_serves_on_after_a_file) {
  const std::string one = make("one", 300'000);
  const std::string two = make("two", 10);
  serve();
  const std::string answer = exchange(get("one", true) + get("two"));
  EXPECT_NE(answer.find(one + "HTTP/1.1 200 OK\r\n"), std::string::npos);
  EXPECT_TRUE(ends_with_body(answer, two));
}

TEST_F(ServingFiles, many_at_once_each_get_all_of_it) {
  const std::string content = make("large", 2'000'000);
  serve();
  std::vector<RawSocket> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().write(io, get("large")));
  }
  ASSERT_TRUE(run_until(io, [&] { return server->file_count() == 50; }));
  for (RawSocket& client : clients) {
    ASSERT_TRUE(client.read_until_end(io));
    EXPECT_TRUE(ends_with_body(client.received(), content));
  }
}

TEST_F(ServingFiles, a_client_that_takes_nothing_is_closed_and_one_that_is_slow_is_not) {
  limits.patience = std::chrono::milliseconds(300);
  make("large", 64u << 20);
  serve();
  RawSocket slow = connect();
  ASSERT_TRUE(slow.write(io, get("large")));
  const auto begin = std::chrono::steady_clock::now();
  // Takes a part now and then, for longer than one patience.
  auto last = begin;
  auto longest_pause = last - begin;
  while (last - begin < limits.patience * 3) {
    slow.read();
    io.restart();
    io.run_for(std::chrono::milliseconds(5));
    const auto now = std::chrono::steady_clock::now();
    longest_pause = std::max(longest_pause, now - std::exchange(last, now));
  }
  const bool has_all = slow.received().size() > 64u << 20;
  if (longest_pause < limits.patience && !has_all) {
    EXPECT_EQ(server->file_count(), 1u);
  }
  RawSocket stalled = connect();
  ASSERT_TRUE(stalled.write(io, get("large")));
  EXPECT_TRUE(run_until(io, [&] { return server->connection_count() == 0; }));
  EXPECT_EQ(server->file_count(), 0u);
}

TEST_F(ServingFiles, a_file_that_becomes_shorter_ends_the_connection_early) {
  make("large", 64u << 20);
  serve();
  RawSocket client = connect();
  ASSERT_TRUE(client.write(io, get("large")));
  ASSERT_TRUE(run_until(io, [&] { return server->file_count() == 1; }));
  std::filesystem::resize_file(folder.path() / "large", 1000);
  EXPECT_TRUE(client.read_until_end(io));
  EXPECT_LT(client.received().size(), 64u << 20);
  EXPECT_EQ(server->file_count(), 0u);
}

TEST_F(ServingFiles, a_client_that_leaves_early_is_forgotten) {
  make("large", 64u << 20);
  serve();
  RawSocket client = connect();
  ASSERT_TRUE(client.write(io, get("large")));
  ASSERT_TRUE(client.read_until_size(io, 1000));
  client.reset();
  EXPECT_TRUE(run_until(io, [&] { return server->connection_count() == 0; }));
  EXPECT_EQ(server->file_count(), 0u);
}

TEST_F(ServingFiles, what_is_no_regular_file_is_an_error) {
  std::filesystem::create_directory(folder.path() / "folder");
  serve();
  EXPECT_TRUE(exchange(get("folder")).starts_with("HTTP/1.1 500 "));
}

TEST_F(ServingHttp, a_handler_that_throws_answers_500_and_the_connection_lives) {
  serve();
  handler = [](const HttpRequest& request) -> HttpResponse {
    if (request.path() == "/bad") throw std::runtime_error("secret detail");
    return {200, "text/plain", "good"};
  };
  const std::string answer = exchange("GET /bad HTTP/1.1\r\nHost: h\r\n\r\n" + closing_get);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 "));
  EXPECT_EQ(answer.find("secret"), std::string::npos);
  EXPECT_TRUE(ends_with_body(answer, "good"));
}

TEST_F(ServingHttp, connections_beyond_the_limit_are_closed_and_others_live) {
  limits.max_connections = 2;
  serve();
  RawSocket first = connect();
  RawSocket second = connect();
  ASSERT_TRUE(run_until(io, [&] { return server->connection_count() == 2; }));
  EXPECT_EQ(exchange(closing_get), "");
  ASSERT_TRUE(first.write(io, closing_get));
  EXPECT_TRUE(first.read_until_end(io));
  EXPECT_TRUE(first.received().starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(run_until(io, [&] { return server->connection_count() == 1; }));
  EXPECT_TRUE(exchange(closing_get).starts_with("HTTP/1.1 200 "));
}

TEST_F(ServingHttp, stop_closes_every_connection_and_the_port) {
  serve();
  RawSocket idle = connect();
  RawSocket busy = connect();
  ASSERT_TRUE(busy.write(io, "GET / HT"));
  ASSERT_TRUE(run_until(io, [&] { return server->connection_count() == 2; }));
  const Endpoint endpoint = server->local_endpoint();
  server->stop();
  EXPECT_TRUE(idle.read_until_end(io));
  EXPECT_TRUE(busy.read_until_end(io));
  run_ready(io);
  EXPECT_EQ(server->connection_count(), 0u);
  RawSocket late = RawSocket::connect_to(endpoint);
  EXPECT_FALSE(late.write(io, "x"));
}

TEST_F(ServingHttp, a_handler_may_destroy_the_server) {
  serve();
  handler = [this](const HttpRequest&) {
    server.reset();
    return HttpResponse{};
  };
  RawSocket client = connect();
  ASSERT_TRUE(client.write(io, closing_get));
  EXPECT_TRUE(client.read_until_end(io));
  EXPECT_EQ(client.received(), "");
  EXPECT_EQ(server, nullptr);
}

TEST_F(ServingHttp, a_taken_port_is_an_error_that_names_it) {
  serve();
  try {
    const HttpServer second(io, server->local_endpoint(), handler);
    FAIL() << "two on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    EXPECT_EQ(error.what(), "cannot listen on " + server->local_endpoint().to_string() +
                                ": Address already in use");
  }
}

}  // namespace
}  // namespace murder::net::test
