#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "net/connector.hpp"
#include "net/host_lookup.hpp"
#include "net/http.hpp"
#include "net/http_exchange.hpp"
#include "net/socket.hpp"

namespace murder::net {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

MakeTlsExchange make_tls_exchange = nullptr;

}  // namespace

void use_tls(MakeTlsExchange make) { make_tls_exchange = make; }
bool can_fetch_securely() { return make_tls_exchange != nullptr; }

struct HttpGet::Impl : std::enable_shared_from_this<HttpGet::Impl> {
  Impl(asio::io_context& loop, Options given, Callback whom_to_tell)
      : io(loop),
        options(std::move(given)),
        callback(std::move(whom_to_tell)),
        deadline(std::chrono::steady_clock::now() + options.timeout),
        timer(loop) {
    const auto address = IpAddress::parse(options.host);
    server = address ? Endpoint{*address, options.port}.to_string()
                     : fmt::format("{}:{}", printable(options.host), options.port);
  }

  asio::io_context& io;
  Options options;
  Callback callback;
  Instant deadline;
  asio::steady_timer timer;
  std::shared_ptr<HostLookup> lookup;
  std::shared_ptr<Connector> connector;
  std::shared_ptr<HttpExchange> exchange;
  std::string server;                ///< "HOST:PORT", for messages and the Host header
  std::vector<IpAddress> addresses;  ///< not yet tried, the next one last

  void start() {
    timer.expires_at(deadline);
    timer.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec) self->fail(self->no_answer());
    });
    const auto is_printable = [](char c) { return c > 0x20 && c < 0x7f; };
    if (!std::all_of(options.target.begin(), options.target.end(), is_printable))
      return fail_from_loop(fmt::format("cannot ask {} for \"{}\": not a valid target", server,
                                        printable(options.target)));
    if (options.is_secure && !can_fetch_securely())
      return fail_from_loop(fmt::format("cannot ask {}: this murder speaks no TLS", server));
    lookup = HostLookup::start(
        io, options.host,
        [self = shared_from_this()](std::vector<IpAddress> found, std::string error) {
          self->on_resolved(std::move(found), std::move(error));
        });
  }

  void on_resolved(std::vector<IpAddress> found, std::string error) {
    if (!callback) return;
    if (!error.empty()) return fail(std::move(error));
    addresses = std::move(found);
    std::reverse(addresses.begin(), addresses.end());
    connect();
  }

  /// The next address, with its share of the time that is left.
  void connect() {
    const Endpoint remote{addresses.back(), options.port};
    const Duration left = std::max(deadline - std::chrono::steady_clock::now(), Duration::zero());
    const Duration share = left / static_cast<int>(addresses.size());
    addresses.pop_back();
    // The last address may take all the time there is; the timer ends that with better words.
    const Duration timeout = addresses.empty() ? left + std::chrono::seconds(1) : share;
    connector = Connector::start(
        io, remote, options.bind_address, timeout,
        [self = shared_from_this()](tcp::socket connected, const std::string& reason) {
          self->on_connected(std::move(connected), reason);
        });
  }

  void on_connected(tcp::socket connected, const std::string& reason) {
    if (!callback) return;
    if (!reason.empty()) {
      if (addresses.empty()) return fail(fmt::format("cannot connect to {}: {}", server, reason));
      return connect();
    }
    HttpExchange::Request request(http::verb::get, options.target, 11);
    request.set(http::field::host, server);
    request.set(http::field::user_agent, "murder/" MURDER_VERSION);
    request.set(http::field::accept, "*/*");
    if (!options.range.empty()) request.set(http::field::range, options.range);
    request.keep_alive(false);
    if (options.is_secure)
      exchange = make_tls_exchange(std::move(connected), options.host, std::move(request),
                                   options.max_body_bytes);
    else
      exchange = std::make_shared<HttpExchangeOver<tcp::socket>>(
          std::move(request), options.max_body_bytes, std::move(connected));
    exchange->start([self = shared_from_this()](error_code ec, const std::string& insecure) {
      if (!insecure.empty())
        return self->fail(fmt::format("no TLS with {}: {}", self->server, insecure));
      self->on_read(ec);
    });
  }

  void on_read(error_code ec) {
    if (!callback) return;
    HttpExchange::Parser& parser = exchange->parser();
    if (!ec) {
      auto& response = parser.get();
      const auto field = [&](http::field name) { return std::string(response[name]); };
      return finish({.status = response.result_int(),
                     .body = std::move(response.body()),
                     .content_range = field(http::field::content_range),
                     .retry_after = field(http::field::retry_after)});
    }
    if (ec == http::error::body_limit && !options.range.empty() &&
        parser.get().result() == http::status::ok)
      return finish({.error = fmt::format("{} sends all of it when asked for a part: it does not "
                                          "serve ranges",
                                          server),
                     .is_whole_for_range = true});
    if (ec == http::error::body_limit)
      return fail(fmt::format("answer of {} is larger than {}", server,
                              format_bytes(options.max_body_bytes)));
    if (ec == http::error::end_of_stream)
      return fail(fmt::format("{} closed the connection without an answer", server));
    if (ec == http::error::partial_message)
      return fail(fmt::format("{} closed the connection in the middle of its answer", server));
    if (ec.category() == http::make_error_code(http::error::bad_version).category())
      return fail(fmt::format("answer of {} is not HTTP: {}", server, ec.message()));
    fail(fmt::format("lost {}: {}", server, ec.message()));
  }

  std::string no_answer() const {
    return fmt::format("no answer from {} within {}", server, timeout_text(options.timeout));
  }

  void fail(std::string error) { finish({.error = std::move(error)}); }

  void fail_from_loop(std::string error) {
    asio::post(io, [self = shared_from_this(), error = std::move(error)] { self->fail(error); });
  }

  void finish(HttpResult result) {
    if (!callback) return;
    const Callback tell = std::exchange(callback, nullptr);
    end();
    tell(std::move(result));
  }

  void end() {
    callback = nullptr;
    timer.cancel();
    if (lookup) lookup->cancel();
    if (connector) connector->cancel();
    if (exchange) exchange->close();
  }
};

HttpGet::HttpGet(asio::io_context& io, Options options, Callback callback)
    : impl_(std::make_shared<Impl>(io, std::move(options), std::move(callback))) {
  impl_->start();
}

HttpGet::~HttpGet() { impl_->end(); }

}  // namespace murder::net
