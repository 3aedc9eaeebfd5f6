#include "net/acceptor.hpp"

#include <cerrno>
#include <chrono>
#include <sys/socket.h>
#include <utility>

#include "base/error.hpp"
#include "net/address.hpp"
#include "net/socket.hpp"

namespace murder::net {
namespace {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto pause_without_descriptors = std::chrono::milliseconds(100);
/// Then others get their turn of the loop.
constexpr int accepts_per_turn = 64;

}  // namespace

std::shared_ptr<Acceptor> Acceptor::start(asio::io_context& io, UniqueFd listening,
                                          OnAccept on_accept) {
  std::shared_ptr<Acceptor> acceptor(new Acceptor(io, std::move(listening), std::move(on_accept)));
  acceptor->wait();
  return acceptor;
}

Acceptor::Acceptor(asio::io_context& io, UniqueFd listening, OnAccept on_accept)
    : io_(io), socket_(io), timer_(io), on_accept_(std::move(on_accept)) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw_system_error("cannot read", "the address of a listening socket", errno);
  error_code ec;
  socket_.assign(address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), listening.get(), ec);
  if (ec) throw_system_error("cannot watch", "a listening socket", ec.value());
  listening.release();
  local_ = from_asio(socket_.local_endpoint(ec));
}

void Acceptor::stop() {
  stopped_ = true;
  error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
}

void Acceptor::wait() {
  socket_.async_wait(tcp::acceptor::wait_read, [self = shared_from_this()](error_code) {
    if (!self->stopped_) self->accept_waiting();
  });
}

void Acceptor::accept_waiting() {
  const auto alive = shared_from_this();
  for (int i = 0; i < accepts_per_turn; ++i) {
    UniqueFd fd(::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      tcp::socket accepted = adopt_socket(io_, std::move(fd));
      if (accepted.is_open()) on_accept_(std::move(accepted));
      if (stopped_) return;
    } else if (errno == EAGAIN) {
      break;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM ||
               errno == EBADF || errno == EINVAL) {
      return pause();
    }
    // Anything else befell that one connection (accept(2) lists them): the next may be well.
  }
  wait();
}

void Acceptor::pause() {
  timer_.expires_after(pause_without_descriptors);
  timer_.async_wait([self = shared_from_this()](error_code) {
    if (!self->stopped_) self->accept_waiting();
  });
}

}  // namespace murder::net
