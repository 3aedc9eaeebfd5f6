#include "net/outbox.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/units.hpp"

namespace murder::net {
namespace {

/// A burst of messages (a bitfield) does not keep its memory for the life of the connection.
constexpr std::size_t control_bytes_to_keep = 16_KiB;

bool is_of_connection(int error) {
  switch (error) {
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
      return true;
    default:
      return false;
  }
}

ssize_t send_bytes(int socket, std::string_view bytes, int flags) {
  ssize_t sent = 0;
  do {
    sent = ::send(socket, bytes.data(), bytes.size(), flags | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

}  // namespace

Outbox::Result Outbox::socket_result(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK) return Result::blocked;
  error_ = error;
  return Result::socket_lost;
}

Outbox::Result Outbox::send_control(int socket) {
  const std::string_view waiting = std::string_view(control_).substr(control_sent_);
  const ssize_t sent = send_bytes(socket, waiting, 0);
  if (sent < 0) return socket_result(errno);
  control_sent_ += static_cast<std::size_t>(sent);
  if (control_sent_ < control_.size()) return Result::blocked;
  forget_control();
  return Result::done;
}

void Outbox::forget_control() {
  control_.clear();
  control_sent_ = 0;
  if (control_.capacity() > control_bytes_to_keep) control_.shrink_to_fit();
}

void Outbox::set_block(const OutgoingBlock& block) {
  block_ = block;
  header_.assign(control_, control_sent_);
  forget_control();
  wire::append(header_, wire::Piece{block.block});
  header_sent_ = 0;
  data_sent_ = 0;
}

Outbox::Result Outbox::send_block(int socket, std::size_t& limit) {
  if (header_sent_ < header_.size()) {
    const Result result = send_header(socket);
    if (result != Result::done) return result;
  }
  return send_data(socket, limit);
}

Outbox::Result Outbox::send_header(int socket) {
  const std::string_view waiting = std::string_view(header_).substr(header_sent_);
  const ssize_t sent = send_bytes(socket, waiting, MSG_MORE);
  if (sent < 0) return socket_result(errno);
  header_sent_ += static_cast<std::size_t>(sent);
  return header_sent_ == header_.size() ? Result::done : Result::blocked;
}

Outbox::Result Outbox::send_from_memory(int socket, std::size_t& limit) {
  const std::string_view bytes = *block_->bytes;
  while (data_sent_ < bytes.size()) {
    if (limit == 0) return Result::more;
    const std::string_view part = bytes.substr(data_sent_, limit);
    const ssize_t sent = send_bytes(socket, part, 0);
    if (sent < 0) return socket_result(errno);
    data_sent_ += static_cast<std::uint32_t>(sent);
    limit -= static_cast<std::size_t>(sent);
    if (static_cast<std::size_t>(sent) < part.size()) return Result::blocked;
  }
  return Result::done;
}

Outbox::Result Outbox::send_data(int socket, std::size_t& limit) {
  if (block_->bytes) return send_from_memory(socket, limit);
  while (data_sent_ < block_->block.length) {
    if (limit == 0) return Result::more;
    const std::size_t count = std::min<std::size_t>(block_->block.length - data_sent_, limit);
    auto offset = static_cast<off_t>(block_->file_offset + data_sent_);
    const ssize_t sent = ::sendfile(socket, block_->fd, &offset, count);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || is_of_connection(errno)) return socket_result(errno);
      error_ = errno;
      return Result::file_failed;
    }
    if (sent == 0) {
      error_ = 0;
      return Result::file_failed;
    }
    data_sent_ += static_cast<std::uint32_t>(sent);
    limit -= static_cast<std::size_t>(sent);
    // Short: the socket is full. (Or the file ends here, which the next call will tell.)
    if (static_cast<std::size_t>(sent) < count) return Result::blocked;
  }
  return Result::done;
}

}  // namespace murder::net
