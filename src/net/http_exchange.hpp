// One HTTP request and its answer over a connection that is there: the same over TCP and over TLS.
// For http_client.cpp and src/tls alone: it brings Boost.Beast with it.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace murder::net {

class HttpExchange {
 public:
  using ErrorCode = boost::system::error_code;
  using Request = boost::beast::http::request<boost::beast::http::empty_body>;
  using Parser = boost::beast::http::response_parser<boost::beast::http::string_body>;
  /// No error: the answer is in parser(). `insecure`: why there is no TLS with this server; empty
  /// for every other failure.
  using Callback = std::function<void(ErrorCode, const std::string& insecure)>;

  virtual ~HttpExchange() = default;
  /// Once. The exchange lives until it has called, or close() did its work.
  virtual void start(Callback callback) = 0;
  /// The callback is not called any more.
  virtual void close() = 0;
  virtual Parser& parser() = 0;
};

template <class Stream>
class HttpExchangeOver : public HttpExchange,
                         public std::enable_shared_from_this<HttpExchangeOver<Stream>> {
 public:
  template <class... StreamArguments>
  HttpExchangeOver(Request request, std::uint64_t max_body_bytes, StreamArguments&&... arguments)
      : stream_(std::forward<StreamArguments>(arguments)...), request_(std::move(request)) {
    parser_.body_limit(max_body_bytes);
  }

  void start(Callback callback) override {
    callback_ = std::move(callback);
    send();
  }
  void close() override {
    callback_ = nullptr;
    ErrorCode ignored;
    boost::beast::get_lowest_layer(stream_).close(ignored);
  }
  Parser& parser() override { return parser_; }

 protected:
  void send() {
    boost::beast::http::async_write(stream_, request_,
                                    [self = this->shared_from_this()](ErrorCode ec, std::size_t) {
                                      if (ec) return self->finish(ec);
                                      if (self->callback_) self->receive();
                                    });
  }
  void receive() {
    boost::beast::http::async_read(
        stream_, buffer_, parser_,
        [self = this->shared_from_this()](ErrorCode ec, std::size_t) { self->finish(ec); });
  }
  void finish(ErrorCode ec, const std::string& insecure = {}) {
    if (const Callback tell = std::exchange(callback_, nullptr)) tell(ec, insecure);
  }

  Stream stream_;
  Callback callback_;

 private:
  Request request_;
  boost::beast::flat_buffer buffer_;
  Parser parser_;
};

/// Over TLS with `host`, whose certificate has to be good for that name.
using MakeTlsExchange = std::shared_ptr<HttpExchange> (*)(boost::asio::ip::tcp::socket connected,
                                                          const std::string& host,
                                                          HttpExchange::Request request,
                                                          std::uint64_t max_body_bytes);
/// What HttpGet speaks https:// with from now on; before, it speaks http:// alone. TLS is most of a
/// small program, and the one that deploy puts onto hosts goes without. Call before any thread.
void use_tls(MakeTlsExchange make);

}  // namespace murder::net
