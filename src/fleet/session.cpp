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
#include <filesystem>
#include <fmt/format.h>
#include <thread>

#include "fleet/ssh_settings.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;
constexpr auto quietly = asio::as_tuple(asio::use_awaitable);

constexpr std::size_t kept_error_bytes = 4u << 10;
constexpr std::size_t read_bytes = 64u << 10;
constexpr Duration patience_with_fetch = std::chrono::seconds(180);
constexpr const char* bringing = "bringing murder there took too long";
constexpr std::uint32_t fetch_seconds = 60;
constexpr Duration patience_with_hello = std::chrono::seconds(20);
constexpr Duration patience_with_agent = std::chrono::seconds(2);
constexpr Duration look_every = std::chrono::milliseconds(2);

Instant now() { return std::chrono::steady_clock::now(); }

}  // namespace

Session::Session(asio::io_context& io, const Host& host, const SshOptions& options,
                 std::function<void(const orders::Frame&)> on_frame, std::function<void()> on_loss)
    : io_(io),
      host_(host),
      options_(options),
      on_frame_(std::move(on_frame)),
      on_loss_(std::move(on_loss)) {}

Session::~Session() {
  // An agent here ends what it has started, when it is asked to.
  if (!host_.here || !child_) return;
  child_->signal(SIGTERM);
  const Instant give_up = now() + patience_with_agent;
  while (!child_->poll() && now() < give_up) std::this_thread::sleep_for(look_every);
}

asio::awaitable<orders::Hello> Session::open(const BootstrapOptions& bootstrap, Supplier supplier,
                                             std::function<void()> on_reached) {
  dialogue_.emplace(bootstrap);
  co_return co_await start(ssh_command(options_, host_, remote_command(options_.sudo)),
                           std::move(supplier), std::move(on_reached));
}

asio::awaitable<orders::Hello> Session::open_here(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), std::filesystem::read_symlink("/proc/self/exe"));
  co_return co_await start(std::move(arguments), {}, {});
}

asio::awaitable<orders::Hello> Session::start(std::vector<std::string> command, Supplier supplier,
                                              std::function<void()> on_reached) {
  const Shared self = shared_from_this();
  child_.emplace(io_, command);
  asio::co_spawn(io_, keep_reading_errors(self), asio::detached);
  // A deadline kills ssh, and what is being read ends.
  std::string over;
  deadline_.emplace(io_, [this, &over](const std::string& what) {
    over = what;
    child_->signal(SIGKILL);
  });
  // For all of it: connection, key exchange, authentication, login, our script's first line.
  deadline_->set(3 * options_.connect_timeout, "it let ssh connect and then did not answer");
  std::exception_ptr failure;
  try {
    if (dialogue_) {
      write(dialogue_->first_line());
      std::function<void()> reached = [&] {
        deadline_->set(patience_with_fetch, bringing);
        if (on_reached) on_reached();
      };
      co_await converse(supplier, std::move(reached));
    }
    deadline_->set(patience_with_hello, "murder was started there and did not answer");
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
  deadline_->cancel();
  if (failure) {
    child_->signal(SIGKILL);
    lose("it was never open");
    if (!over.empty())
      throw Unresponsive(ErrorKind::unreachable, fmt::format("{} (gave up after {})", over,
                                                             format_duration(deadline_->length())));
    std::rethrow_exception(failure);
  }
  open_ = true;
  heard_at_ = now();
  dialogue_.reset();
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
  // That others come first is no fault of this host's.
  deadline_->cancel();
  const Supply supply = co_await supplier(need, std::move(failure));
  deadline_->set(patience_with_fetch, bringing);
  if (!supply.url.empty()) {
    write(dialogue_->fetch(supply.binary, supply.url, fetch_seconds));
    co_return;
  }
  if (supply.packing == Packing::xz) need.unpacks_xz = false;  // it is not tried twice
  write(dialogue_->take(supply.binary, supply.packing, supply.compressed->size()));
  write(*supply.compressed);
}

/// Waits for some bytes and hands them to `take`; false at the end. Between bytes a session, of
/// which there may be thousands, holds no buffer.
template <class Take>
asio::awaitable<bool> Session::receive(net::ChildProcess::Stream& stream, Take take) {
  const auto read_now = [&stream, &take](boost::system::error_code& error) {
    std::array<char, read_bytes> bytes;
    const std::size_t n = stream.read_some(asio::buffer(bytes), error);
    if (n > 0) take(std::string_view(bytes.data(), n));
  };
  stream.non_blocking(true);
  while (true) {
    const auto [broken] =
        co_await stream.async_wait(asio::posix::stream_descriptor::wait_read, quietly);
    if (broken) co_return false;
    boost::system::error_code error;
    read_now(error);
    if (!error) co_return true;
    if (error != asio::error::would_block && error != asio::error::interrupted) co_return false;
  }
}

/// At least one byte of stdout. Throws what made ssh end.
asio::awaitable<std::string> Session::read_some() {
  std::string bytes;
  const auto take = [&bytes](std::string_view more) { bytes = more; };
  const bool came = co_await receive(child_->out(), take);
  if (!came) co_await throw_failure();
  co_return bytes;
}

asio::awaitable<void> Session::throw_failure() {
  const int status = co_await child_->wait();
  read_last_errors();
  if (host_.here) throw Error(ErrorKind::failed, how_agent_ended(status));
  std::string user = host_.user;
  if (user.empty() && is_refused_by_sudo(status, said_) && can_be_asked(options_)) {
    const SshSettings settings = co_await ask_ssh(io_, options_, host_);
    user = settings.user;
  }
  const SshFailure failure = explain_ssh_failure(status, said_, user);
  if (failure.tries != Tries::one) throw Dropped(failure);
  throw Error(failure.kind, failure.reason);
}

asio::awaitable<void> Session::keep_reading(Shared /*self*/) {
  const auto take_bytes = [this](std::string_view bytes) { reader_.add(bytes); };
  std::string reason;
  while (!lost_) {
    try {
      while (auto frame = reader_.next()) take(*frame);
      if (lost_) break;
      const bool came = co_await receive(child_->out(), take_bytes);
      if (!came) break;
      heard_at_ = now();
    } catch (const Error& error) {
      reason = fmt::format("what the host says cannot be understood: {}", error.what());
      child_->signal(SIGKILL);
      break;
    }
  }
  if (reason.empty()) reason = co_await how_it_ended();
  lose(reason);
}

std::string Session::how_agent_ended(int status) const {
  const std::string_view said = std::string_view(said_).substr(0, said_.find_last_not_of('\n') + 1);
  return fmt::format("murder's own process here ended with status {}{}{}", status,
                     said.empty() ? "" : ": ", printable(said.substr(said.rfind('\n') + 1)));
}

asio::awaitable<std::string> Session::how_it_ended() {
  const int status = co_await child_->wait();
  read_last_errors();
  if (host_.here) co_return how_agent_ended(status);
  if (!aborted_.empty()) co_return fmt::format("the ssh session was lost: {}", aborted_);
  if (status == 0) co_return "the session ended";
  co_return fmt::format("the ssh session was lost: {}", explain_ssh_failure(status, said_).reason);
}

asio::awaitable<void> Session::keep_reading_errors(Shared /*self*/) {
  const auto keep = [this](std::string_view bytes) { keep_errors(bytes); };
  bool more = true;
  while (more) more = co_await receive(child_->err(), keep);
}

/// The last words of an ssh that has ended, if they were not read yet.
void Session::read_last_errors() {
  std::array<char, kept_error_bytes> bytes;
  boost::system::error_code error;
  while (!error) {
    const std::size_t n = child_->err().read_some(asio::buffer(bytes), error);
    keep_errors(std::string_view(bytes.data(), n));
  }
}

void Session::keep_errors(std::string_view bytes) {
  said_.append(bytes);
  if (said_.size() > 2 * kept_error_bytes) said_.erase(0, said_.size() - kept_error_bytes);
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

void Session::abort(const std::string& why) {
  if (!lost_) aborted_ = why;
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
