#include "fleet/session.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <fmt/format.h>

#include "fleet/deadline.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;
constexpr auto quietly = asio::as_tuple(asio::use_awaitable);

constexpr std::size_t kept_error_bytes = 16u << 10;
/// After the TCP connection: key exchange, authentication, login, our script's first line.
constexpr Duration patience_with_login = std::chrono::seconds(20);
constexpr Duration patience_with_fetch = std::chrono::seconds(180);
constexpr std::uint32_t fetch_seconds = 60;
constexpr Duration patience_with_hello = std::chrono::seconds(20);

Instant now() { return std::chrono::steady_clock::now(); }

}  // namespace

Session::Session(asio::io_context& io, const Host& host, const SshOptions& options,
                 std::function<void(const orders::Frame&)> on_frame, std::function<void()> on_loss)
    : io_(io),
      host_(host),
      options_(options),
      on_frame_(std::move(on_frame)),
      on_loss_(std::move(on_loss)) {}

Session::~Session() = default;

asio::awaitable<orders::Hello> Session::open(const BootstrapOptions& bootstrap, Supplier supplier,
                                             std::function<void()> on_reached) {
  const Shared self = shared_from_this();
  dialogue_.emplace(bootstrap);
  child_.emplace(io_, ssh_command(options_, host_, remote_command(options_.sudo)));
  asio::co_spawn(io_, keep_reading_errors(self), asio::detached);
  // A deadline kills ssh, and what is being read ends.
  std::string over;
  Deadline deadline(io_, [this, &over](const std::string& what) {
    over = what;
    child_->signal(SIGKILL);
  });
  deadline.set(options_.connect_timeout + patience_with_login,
               "it let ssh connect and then did not answer");
  std::exception_ptr failure;
  try {
    write(dialogue_->first_line());
    co_await converse(supplier, [&] {
      deadline.set(patience_with_fetch, "bringing murder there took too long");
      if (on_reached) on_reached();
    });
    deadline.set(patience_with_hello, "murder was started there and did not answer");
    while (!hello_) {
      while (auto frame = reader_.next()) {
        hello_ = orders::parse_hello(frame->json);
        break;
      }
      if (!hello_) reader_.add(co_await read_some());
    }
  } catch (...) {
    failure = std::current_exception();
  }
  deadline.cancel();
  if (failure) {
    child_->signal(SIGKILL);
    lose("it was never open");
    if (!over.empty())
      throw Error(ErrorKind::unreachable,
                  fmt::format("{} (gave up after {})", over, format_duration(deadline.length())));
    std::rethrow_exception(failure);
  }
  open_ = true;
  asio::co_spawn(io_, keep_reading(self), asio::detached);
  co_return *hello_;
}

/// The bootstrap script's lines, until murder runs there.
asio::awaitable<void> Session::converse(Supplier& supplier, std::function<void()> on_reached) {
  bool reached = false;
  NeedsBinary need;
  while (true) {
    const std::string bytes = co_await read_some();
    const BootstrapStep step = dialogue_->on_output(bytes);
    if (std::holds_alternative<Waiting>(step)) continue;
    if (!std::exchange(reached, true)) on_reached();
    if (const auto* running = std::get_if<Running>(&step)) {
      reader_.add(running->rest);
      co_return;
    }
    if (const auto* failed = std::get_if<Failed>(&step))
      throw Error(ErrorKind::failed, fmt::format("murder cannot be put there: {}", failed->reason));
    std::string failure;
    if (const auto* needs = std::get_if<NeedsBinary>(&step)) need = *needs;
    if (const auto* fetch = std::get_if<FetchFailed>(&step)) failure = fetch->reason;
    co_await serve(need, failure, supplier);
  }
}

/// Tells the script where to get the binary, or sends it.
asio::awaitable<void> Session::serve(NeedsBinary& need, std::string failure, Supplier& supplier) {
  const Supply supply = co_await supplier(need, std::move(failure));
  if (!supply.url.empty()) {
    write(dialogue_->fetch(supply.binary, supply.url, fetch_seconds));
    co_return;
  }
  if (supply.packing == Packing::xz) need.unpacks_xz = false;  // it is not tried twice
  write(dialogue_->take(supply.binary, supply.packing, supply.compressed->size()));
  write(*supply.compressed);
}

/// At least one byte of stdout. Throws what made ssh end.
asio::awaitable<std::string> Session::read_some() {
  std::string bytes(64u << 10, '\0');
  const auto [error, n] = co_await child_->out().async_read_some(asio::buffer(bytes), quietly);
  if (error || n == 0) throw_failure(co_await child_->wait());
  bytes.resize(n);
  co_return bytes;
}

void Session::throw_failure(int status) const {
  const SshFailure failure = explain_ssh_failure(status, said_);
  if (failure.try_again) throw Dropped(failure.kind, failure.reason);
  throw Error(failure.kind, failure.reason);
}

asio::awaitable<void> Session::keep_reading(Shared /*self*/) {
  std::string bytes(256u << 10, '\0');
  std::string reason;
  while (!lost_) {
    try {
      while (auto frame = reader_.next()) take(*frame);
      if (lost_) break;
      const auto [error, n] = co_await child_->out().async_read_some(asio::buffer(bytes), quietly);
      if (error || n == 0) break;
      reader_.add(std::string_view(bytes).substr(0, n));
    } catch (const Error& error) {
      reason = fmt::format("what the host says cannot be understood: {}", error.what());
      child_->signal(SIGKILL);
      break;
    }
  }
  if (reason.empty()) reason = co_await how_it_ended();
  lose(reason);
}

asio::awaitable<std::string> Session::how_it_ended() {
  const int status = co_await child_->wait();
  if (status == 0) co_return "the session ended";
  co_return fmt::format("the ssh session was lost: {}", explain_ssh_failure(status, said_).reason);
}

asio::awaitable<void> Session::keep_reading_errors(Shared /*self*/) {
  std::array<char, 4096> bytes{};
  while (true) {
    const auto [error, n] = co_await child_->err().async_read_some(asio::buffer(bytes), quietly);
    if (error || n == 0) co_return;
    said_.append(bytes.data(), n);
    if (said_.size() > 2 * kept_error_bytes) said_.erase(0, said_.size() - kept_error_bytes);
  }
}

void Session::take(const orders::Frame& frame) {
  const std::uint64_t id = orders::answered_id(frame.json);
  if (id == 0) {
    if (on_frame_) on_frame_(frame);
    return;
  }
  const auto it = waiting_.find(id);
  if (it == waiting_.end()) return;  // nobody waits any more
  it->second->frame = frame;
  it->second->timer.cancel();
}

asio::awaitable<orders::Frame> Session::exchange(std::uint64_t id, std::string json,
                                                 std::span<const std::uint8_t> attachment,
                                                 Duration patience, std::string what) {
  const Shared self = shared_from_this();
  if (!is_open())
    throw Error(ErrorKind::unreachable, loss_.empty() ? "there is no session" : loss_);
  const auto waiting = std::make_shared<Pending>(io_);
  waiting_[id] = waiting;
  const Instant asked = now();
  waiting->timer.expires_after(patience);
  write(orders::encode_frame(json, attachment));
  co_await waiting->timer.async_wait(quietly);
  waiting_.erase(id);
  if (!waiting->frame) {
    if (lost_) throw Error(ErrorKind::unreachable, loss_);
    throw Error(ErrorKind::unreachable,
                fmt::format("no answer to \"{}\" within {}", what, format_duration(patience)));
  }
  const Duration took = now() - asked;
  if (round_trip_ == Duration{} || took < round_trip_) round_trip_ = took;
  co_return std::move(*waiting->frame);
}

void Session::tell(std::string_view json, std::span<const std::uint8_t> attachment) {
  if (is_open()) write(orders::encode_frame(json, attachment));
}

void Session::write(std::string bytes) {
  if (lost_) return;
  unsent_.push_back(std::move(bytes));
  if (!std::exchange(writing_, true))
    asio::co_spawn(io_, keep_writing(shared_from_this()), asio::detached);
}

/// What cannot be written because ssh has ended is dropped: the reading side says why it ended.
asio::awaitable<void> Session::keep_writing(Shared /*self*/) {
  while (!unsent_.empty()) {
    const std::string bytes = std::move(unsent_.front());
    unsent_.pop_front();
    const auto [error, n] = co_await asio::async_write(child_->in(), asio::buffer(bytes), quietly);
    if (error) {
      unsent_.clear();
      break;
    }
  }
  writing_ = false;
  if (close_when_written_) {
    boost::system::error_code ignored;
    child_->in().close(ignored);
  }
}

void Session::lose(std::string reason) {
  if (std::exchange(lost_, true)) return;
  loss_ = std::move(reason);
  for (const auto& [id, waiting] : waiting_) waiting->timer.cancel();
  if (open_ && on_loss_) on_loss_();
}

void Session::abort() {
  if (child_) child_->signal(SIGKILL);
}

void Session::close() {
  close_when_written_ = true;
  if (!writing_ && child_) {
    boost::system::error_code ignored;
    child_->in().close(ignored);
  }
}

}  // namespace murder::fleet
