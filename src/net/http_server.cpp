#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "base/units.hpp"
#include "net/acceptor.hpp"
#include "net/address.hpp"
#include "net/http.hpp"
#include "net/outgoing_file.hpp"
#include "net/socket.hpp"

namespace murder::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

/// After a refusal what the client still sends is read and dropped for so long, so that the reset
/// which unread bytes cause does not overtake the answer.
constexpr auto drain_time = std::chrono::seconds(1);
constexpr std::size_t drain_limit = 1_MiB;

class Session;

/// What the sessions share with their server; outlives it until their last handler has run.
struct Service {
  HttpServer::Handler handler;
  HttpServerLimits limits;
  std::unordered_set<Session*> sessions;
  std::size_t files = 0;  ///< going out
  bool stopped = false;
};

/// One connection. Kept alive by its operation under way; a closed stream ends that.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Service> service, tcp::socket socket);
  ~Session() {
    service_->sessions.erase(this);
    end_file();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void read();
  void close();

 private:
  /// The connection is closed after that time, whatever comes until then.
  void allow(Duration time);
  void watch();
  void on_read(error_code ec);
  void answer();
  void refuse(http::status status);
  void send();
  void on_sent(error_code ec);
  void send_file();
  void end_file();
  void drain();

  std::shared_ptr<Service> service_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  Instant deadline_;
  Endpoint remote_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  std::optional<OutgoingFile> file_;
  bool refused_ = false;
  std::size_t drained_ = 0;
};

Session::Session(std::shared_ptr<Service> service, tcp::socket socket)
    : service_(std::move(service)), socket_(std::move(socket)), timer_(socket_.get_executor()) {
  error_code ec;
  remote_ = from_asio(socket_.remote_endpoint(ec));
  socket_.set_option(tcp::no_delay(true), ec);
  service_->sessions.insert(this);
}

void Session::close() {
  error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
}

void Session::allow(Duration time) {
  deadline_ = std::chrono::steady_clock::now() + time;
  // A deadline that is put off costs nothing: the timer finds that out when it goes off.
  if (deadline_ < timer_.expiry() || timer_.expiry() == Instant()) watch();
}

void Session::watch() {
  timer_.expires_at(deadline_);
  timer_.async_wait([weak = weak_from_this()](error_code ec) {
    const auto self = weak.lock();
    if (ec || !self) return;
    if (std::chrono::steady_clock::now() < self->deadline_) return self->watch();
    self->close();
  });
}

void Session::read() {
  parser_.emplace();
  parser_->header_limit(service_->limits.max_header_bytes);
  parser_->body_limit(service_->limits.max_body_bytes);
  allow(service_->limits.patience);
  http::async_read(socket_, buffer_, *parser_,
                   [self = shared_from_this()](error_code ec, std::size_t) { self->on_read(ec); });
}

void Session::on_read(error_code ec) {
  if (service_->stopped) return;
  if (!ec) return answer();
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow)
    return refuse(http::status::request_header_fields_too_large);
  if (ec == http::error::body_limit) return refuse(http::status::payload_too_large);
  const bool is_of_http =
      ec.category() == http::make_error_code(http::error::end_of_stream).category();
  const bool has_ended = ec == http::error::end_of_stream || ec == http::error::partial_message;
  if (is_of_http && !has_ended) return refuse(http::status::bad_request);
  // Closed, reset, or out of patience: nobody is left to answer.
}

void Session::answer() {
  const http::request<http::string_body>& got = parser_->get();
  const bool is_head = got.method() == http::verb::head;
  HttpRequest request;
  request.method = is_head ? "GET" : std::string(got.method_string());
  request.target = std::string(got.target());
  request.remote = remote_;
  HttpResponse made;
  try {
    made = service_->handler(request);
  } catch (...) {
    // The reason is the operator's, not the client's; a handler that has one to tell catches it.
    made = HttpResponse{};
    made.status = 500;
    made.body = "internal error\n";
  }
  if (service_->stopped) return;
  response_ = {};
  response_.version(11);
  response_.result(made.status);
  response_.set(http::field::content_type, made.content_type);
  response_.keep_alive(got.keep_alive());
  if (made.file) {
    file_ = OutgoingFile::of(std::move(made.file));
    if (file_)
      ++service_->files;
    else
      response_.result(http::status::internal_server_error);
  }
  response_.content_length(file_ ? file_->size() : made.body.size());
  if (is_head)
    end_file();
  else if (!file_)
    response_.body() = std::move(made.body);
  send();
}

void Session::send_file() {
  error_code ec;
  socket_.native_non_blocking(true, ec);
  // An answer that is too short tells the client.
  if (ec || !file_->send_some(socket_.native_handle())) return close();
  if (file_->is_sent()) {
    end_file();
    return on_sent({});
  }
  allow(service_->limits.patience);
  socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](error_code e) {
    if (!e && !self->service_->stopped) self->send_file();
  });
}

void Session::end_file() {
  if (!file_) return;
  file_.reset();
  --service_->files;
}

void Session::refuse(http::status status) {
  refused_ = true;
  response_ = {};
  response_.version(11);
  response_.result(status);
  response_.set(http::field::content_type, "text/plain; charset=utf-8");
  response_.keep_alive(false);
  response_.body() = std::string(http::obsolete_reason(status)) + "\n";
  response_.prepare_payload();
  send();
}

void Session::send() {
  allow(service_->limits.patience);
  http::async_write(socket_, response_,
                    [self = shared_from_this()](error_code ec, std::size_t) { self->on_sent(ec); });
}

void Session::on_sent(error_code ec) {
  if (service_->stopped || (ec && ec != http::error::end_of_stream)) return;
  if (file_) return send_file();
  if (response_.keep_alive()) return read();
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  if (!refused_) return;
  allow(drain_time);
  drain();
}

void Session::drain() {
  buffer_.clear();
  socket_.async_read_some(buffer_.prepare(16_KiB),
                          [self = shared_from_this()](error_code ec, std::size_t bytes) {
                            self->drained_ += bytes;
                            if (!ec && !self->service_->stopped && self->drained_ < drain_limit)
                              self->drain();
                          });
}

}  // namespace

struct HttpServer::Impl {
  std::shared_ptr<Service> service;
  std::shared_ptr<Acceptor> acceptor;
};

std::string_view HttpRequest::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string_view HttpRequest::query() const {
  const std::size_t mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

HttpServer::HttpServer(asio::io_context& io, const Endpoint& listen, Handler handler,
                       HttpServerLimits limits)
    : impl_(std::make_shared<Impl>()) {
  impl_->service = std::make_shared<Service>(Service{std::move(handler), limits, {}, 0, false});
  SocketResult listening = open_listening_socket(listen);
  if (listening.error != 0)
    throw_system_error("cannot listen on", listen.to_string(), listening.error);
  impl_->acceptor =
      Acceptor::start(io, std::move(listening.fd), [service = impl_->service](tcp::socket socket) {
        if (service->sessions.size() >= service->limits.max_connections) return;
        std::make_shared<Session>(service, std::move(socket))->read();
      });
}

HttpServer::~HttpServer() { stop(); }

Endpoint HttpServer::local_endpoint() const { return impl_->acceptor->local_endpoint(); }

void HttpServer::stop() {
  if (std::exchange(impl_->service->stopped, true)) return;
  impl_->acceptor->stop();
  for (Session* session : impl_->service->sessions) session->close();
}

std::size_t HttpServer::connection_count() const { return impl_->service->sessions.size(); }

std::size_t HttpServer::file_count() const { return impl_->service->files; }

}  // namespace murder::net
