// HTTP/1.1, server and client, small: what a tracker and its clients say. Boost.Beast stays in
// http_server.cpp and http_client.cpp. Everything here belongs to the thread that runs the
// io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/endpoint.hpp"
#include "base/file.hpp"
#include "base/units.hpp"

namespace murder::net {

struct HttpRequest {
  std::string method;  ///< GET also for HEAD, whose answer goes out without its body
  std::string target;  ///< path and query, as sent
  Endpoint remote;
  std::string_view path() const;   ///< before '?'
  std::string_view query() const;  ///< after '?', may be empty
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  /// Sent instead of `body`: all of this regular file, with sendfile(2), so that it takes no memory
  /// however many clients there are. SIGPIPE must be ignored (net/signals.hpp).
  UniqueFd file{};
};

/// What one client may cost a server.
struct HttpServerLimits {
  std::uint32_t max_header_bytes = 16u << 10;
  std::uint32_t max_body_bytes = 16u << 10;  ///< of a request; the handler does not see it
  std::size_t max_connections = 10'000;      ///< more are closed unanswered
  /// For one request to come in whole, the wait for it included, and for its answer to go out; for
  /// a file, until some more of it goes out.
  Duration patience = std::chrono::seconds(30);
};

/// Answers with keep-alive, in the order of the requests. What a handler throws becomes a bare 500.
class HttpServer {
 public:
  /// May call stop(), or destroy the server.
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  /// Binds at once; throws Error{failed} "cannot listen on ADDR:PORT: …". Port 0: the kernel picks.
  HttpServer(boost::asio::io_context& io, const Endpoint& listen, Handler handler,
             HttpServerLimits limits = {});
  ~HttpServer();
  Endpoint local_endpoint() const;
  /// Closes every connection; the handler is not called any more.
  void stop();
  std::size_t connection_count() const;
  /// Files that are going out.
  std::size_t file_count() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

struct HttpResult {
  unsigned status = 0;  ///< 0: no answer; see `error`
  std::string body = {};
  /// "cannot connect to 10.0.0.1:8998: Connection refused", "cannot resolve tracker.example: …",
  /// "no answer from 10.0.0.1:8998 within 10 s", "answer of 10.0.0.1:8998 is larger than 8.4 MB",
  /// "no TLS with store.example:443: its certificate is not trusted: certificate has expired"
  std::string error = {};
  std::string content_range = {};   ///< as the answer has it: "bytes 0-99/200"; empty: none
  std::string retry_after = {};     ///< as the answer has it; empty: none
  bool is_whole_for_range = false;  ///< a range was asked for, and all of a longer file came
};

/// Whether this program speaks https:// (tls/tls.hpp).
bool can_fetch_securely();

/// One GET in flight; redirects are not followed. Destroying it cancels; the callback is then never
/// called. It comes once, from the loop, and may destroy the HttpGet. A name is resolved on a
/// thread of the io_context's own, which cannot be hurried: destroying the io_context waits for it.
class HttpGet {
 public:
  struct Options {
    std::string host;  ///< name or address
    std::uint16_t port = 80;
    std::string target = "/";
    bool is_secure = false;                       ///< https://; see can_fetch_securely()
    std::string range;                            ///< "bytes=0-99"; empty: all of it
    Duration timeout = std::chrono::seconds(10);  ///< for the whole exchange
    std::uint64_t max_body_bytes = 8u << 20;
    IpAddress bind_address;  ///< unspecified: the kernel picks
  };
  using Callback = std::function<void(HttpResult)>;
  HttpGet(boost::asio::io_context& io, Options options, Callback callback);
  ~HttpGet();
  HttpGet(const HttpGet&) = delete;
  HttpGet& operator=(const HttpGet&) = delete;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace murder::net
