// HTTP/1.1, server and client, small: what a tracker and its clients say. Boost.Beast stays in
// http.cpp. Everything here belongs to the thread that runs the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/endpoint.hpp"
#include "base/units.hpp"

namespace murder::net {

struct HttpRequest {
  std::string method;
  std::string target;  ///< path and query, as sent
  Endpoint remote;
  std::string_view path() const;   ///< before '?'
  std::string_view query() const;  ///< after '?', may be empty
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

/// Answers with keep-alive; bounds headers (16 KiB), idle time (30 s) and the number of
/// connections.
class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  /// Binds at once; throws Error{failed} "cannot listen on ADDR:PORT: …". Port 0: the kernel picks.
  HttpServer(boost::asio::io_context& io, const Endpoint& listen, Handler handler);
  ~HttpServer();
  Endpoint local_endpoint() const;
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

struct HttpResult {
  unsigned status = 0;  ///< 0: no answer; see `error`
  std::string body;
  std::string
      error;  ///< "cannot connect to 10.0.0.1:8998: Connection refused", "no answer within 10 s"
};

/// One GET in flight. Destroying it cancels; the callback is then never called.
class HttpGet {
 public:
  struct Options {
    std::string host;  ///< name or address
    std::uint16_t port = 80;
    std::string target = "/";
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
