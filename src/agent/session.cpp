#include "agent/session.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/doctor.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "orders/orders.hpp"

namespace murder::agent {
namespace {

namespace asio = boost::asio;

constexpr auto quietly = asio::as_tuple(asio::use_awaitable);

/// What waits to be read by the control side; with more, the transfer is read no further.
constexpr std::size_t max_unsent_bytes = 4u << 20;
/// Orders that wait for the one before them; with more, the control side is read no further.
constexpr std::size_t max_waiting_orders = 1000;
constexpr std::size_t max_order_bytes = 64u << 20;
constexpr std::size_t read_bytes = 256u << 10;
/// For the last words to be read, at the end.
constexpr Duration patience_with_reader = std::chrono::seconds(1);

/// Asio closes what it is given, and these are not ours to close.
int copy_of(int fd, std::string_view name) {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) throw_system_error("cannot use", name, errno);
  return copy;
}

void assign(asio::posix::stream_descriptor& stream, int fd, std::string_view name) {
  UniqueFd copy(copy_of(fd, name));
  boost::system::error_code ec;
  stream.assign(copy.get(), ec);
  if (ec)
    throw Error(ErrorKind::failed, fmt::format("cannot use {} for orders: {}; it has to be a pipe "
                                               "or a socket",
                                               name, system_reason(ec.value())));
  copy.release();
}

bool is_hung_up(int fd) {
  pollfd ask{fd, 0, 0};
  return ::poll(&ask, 1, 0) > 0 && (ask.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

}  // namespace

Session::Session(asio::io_context& io, const AgentOptions& options, Log log)
    : io_(io),
      log_(std::move(log)),
      input_(io),
      output_(io),
      signals_(io, SIGHUP, SIGINT, SIGTERM),
      lease_timer_(io),
      flush_timer_(io),
      stages_(io),
      others_(io),
      unsent_changed_(io),
      duties_(
          io, options, [this](orders::Frame frame) { return tell(std::move(frame)); }, log_) {
  assign(input_, options.input, "standard input");
  assign(output_, options.output, "standard output");
  say(orders::encode_frame(orders::encode_hello(hello())));
  signals_.async_wait([this](const boost::system::error_code& ec, int number) {
    if (!ec) end(number == SIGHUP ? 0 : 128 + number, fmt::format("signal {} came", number));
  });
  asio::co_spawn(io_, read(), asio::detached);
  asio::co_spawn(io_, write(), asio::detached);
  asio::co_spawn(io_, watch_output(), asio::detached);
  for (Line* line : {&stages_, &others_}) {
    ++busy_lines_;
    asio::co_spawn(io_, work(*line),
                   asio::bind_cancellation_slot(
                       line->cancel.slot(), [this](const std::exception_ptr&) { work_is_done(); }));
  }
}

asio::awaitable<void> Session::read() {
  std::vector<std::uint8_t> buffer(read_bytes);
  while (!ended_) {
    const auto [error, n] = co_await input_.async_read_some(asio::buffer(buffer), quietly);
    if (error) {
      end(0, "the control side has ended the session");
      break;
    }
    heard();
    duties_.heard();
    try {
      frames_.add(std::span(buffer).first(n));
      while (auto frame = frames_.next()) {
        co_await take(std::move(*frame));
        if (ended_) co_return;
      }
    } catch (const Error& broken) {
      say(orders::encode_frame(orders::encode_error(0, broken.kind(), broken.what())));
      log_.error("what came is no order: {}", broken.what());
      end(1, broken.what());
    }
  }
}

/// Returns when there is room for more.
asio::awaitable<void> Session::take(orders::Frame frame) {
  const orders::OrderHead head = orders::peek_order(frame.json);
  if (head.id == 0 && head.name == "alive") co_return;
  if (head.for_transfer()) {
    co_await duties_.transfer().pass_on(std::move(frame));
    co_return;
  }
  if (head.name == orders::Stage::name) duties_.transfer().expect();
  const bool is_long = head.name == orders::Stage::name || head.name == orders::Seed::name;
  Line& line = is_long ? stages_ : others_;
  line.bytes += frame.json.size() + frame.attachment.size();
  line.orders.push_back(std::move(frame));
  line.changed.raise();
  while (!ended_ && (line.orders.size() > max_waiting_orders || line.bytes > max_order_bytes))
    co_await line.changed.wait();
}

asio::awaitable<void> Session::work(Line& line) {
  while (!ended_) {
    if (line.orders.empty()) {
      co_await line.changed.wait();
      continue;
    }
    // What is answered and not read piles up here; then nothing more is begun.
    if (unsent_bytes_ > max_unsent_bytes) {
      co_await unsent_changed_.wait();
      continue;
    }
    orders::Frame order = std::move(line.orders.front());
    line.orders.pop_front();
    line.bytes -= order.json.size() + order.attachment.size();
    line.changed.raise();
    const std::string answer = co_await duties_.answer(std::move(order));
    say(orders::encode_frame(answer));
    heard();
  }
}

asio::awaitable<void> Session::write() {
  while (!(ended_ && busy_lines_ == 0 && unsent_.empty())) {
    if (unsent_.empty()) {
      co_await unsent_changed_.wait();
      continue;
    }
    const auto [error, n] =
        co_await asio::async_write(output_, asio::buffer(unsent_.front()), quietly);
    if (error) {
      end(0, "nobody reads any more what is said here");
      break;
    }
    unsent_bytes_ -= n;
    unsent_.pop_front();
    unsent_changed_.raise();
  }
  flush_timer_.cancel();
  boost::system::error_code ignored;
  output_.close(ignored);
}

/// While there is nothing to say, only this tells that nobody would hear it.
asio::awaitable<void> Session::watch_output() {
  while (!ended_) {
    const auto [error] =
        co_await output_.async_wait(asio::posix::stream_descriptor::wait_error, quietly);
    if (error) co_return;
    if (is_hung_up(output_.native_handle())) end(0, "nobody reads any more what is said here");
  }
}

asio::awaitable<void> Session::tell(orders::Frame frame) {
  while (!ended_ && unsent_bytes_ > max_unsent_bytes) co_await unsent_changed_.wait();
  if (!ended_) say(orders::encode_frame(frame.json, frame.attachment));
}

void Session::say(std::string frame) {
  unsent_bytes_ += frame.size();
  unsent_.push_back(std::move(frame));
  unsent_changed_.raise();
}

/// A lease begins anew with each sign of life.
void Session::heard() {
  const Duration lease = duties_.lease();
  if (lease == Duration{} || ended_) {
    lease_timer_.cancel();
    return;
  }
  lease_timer_.expires_after(lease);
  lease_timer_.async_wait([this, lease](const boost::system::error_code& ec) {
    if (!ec)
      end(0, fmt::format("nothing was heard for {}, which is the lock's lease",
                         format_duration(lease)));
  });
}

void Session::end(int status, const std::string& why) {
  if (std::exchange(ended_, true)) return;
  status_ = status;
  log_.info("the session ends: {}", why);
  boost::system::error_code ignored;
  input_.close(ignored);
  signals_.cancel(ignored);
  lease_timer_.cancel();
  duties_.end();
  unsent_changed_.raise();
  for (Line* line : {&stages_, &others_}) {
    line->changed.raise();
    line->cancel.emit(asio::cancellation_type::terminal);
  }
}

void Session::work_is_done() {
  --busy_lines_;
  // Whatever ended it: without it there is nothing left to do here.
  end(1, "orders are no longer carried out");
  if (busy_lines_ > 0) return;
  unsent_changed_.raise();
  if (!output_.is_open()) return;
  flush_timer_.expires_after(patience_with_reader);
  flush_timer_.async_wait([this](const boost::system::error_code& ec) {
    boost::system::error_code ignored;
    if (!ec) output_.close(ignored);
  });
}

}  // namespace murder::agent
