#include "net/inbox.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/units.hpp"

namespace murder::net {
namespace {

/// Room behind a block: its successor's header and a few control messages. More would save calls
/// and copy payload instead.
constexpr std::size_t lookahead = 1_KiB;
/// Room between blocks: a stock client's block, header and all, comes in one call.
constexpr std::size_t initial_size = 16_KiB + lookahead;

Inbox::Received outcome(ssize_t received, std::size_t asked) {
  Inbox::Received result;
  if (received < 0)
    result.error = errno == EWOULDBLOCK ? EAGAIN : errno;
  else if (received == 0)
    result.ended = true;
  else
    result.drained = static_cast<std::size_t>(received) < asked;
  return result;
}

}  // namespace

Inbox::Inbox() : buffer_(initial_size) {}

std::string_view Inbox::unread() const {
  return {reinterpret_cast<const char*>(buffer_.data()) + begin_, end_ - begin_};
}

void Inbox::consume(std::size_t count) {
  begin_ += count;
  if (begin_ != end_) return;
  begin_ = end_ = 0;
  if (buffer_.size() > initial_size) {
    buffer_.resize(initial_size);
    buffer_.shrink_to_fit();
  }
}

std::span<std::uint8_t> Inbox::room_for_messages() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // Doubled as the bytes come, so that a length prefix alone makes nobody allocate.
  if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
  return std::span(buffer_).subspan(end_);
}

Inbox::Received Inbox::receive(int socket, std::span<std::uint8_t> block) {
  const std::span<std::uint8_t> messages =
      block.empty() ? room_for_messages() : std::span(buffer_).first(lookahead);
  std::array<iovec, 2> parts{{{block.data(), block.size()}, {messages.data(), messages.size()}}};
  ssize_t received = 0;
  do {
    received = block.empty() ? ::recv(socket, messages.data(), messages.size(), 0)
                             : ::readv(socket, parts.data(), static_cast<int>(parts.size()));
  } while (received < 0 && errno == EINTR);
  Received result = outcome(received, block.size() + messages.size());
  if (received > 0) {
    result.block_bytes = std::min(static_cast<std::size_t>(received), block.size());
    result.inbox_bytes = static_cast<std::size_t>(received) - result.block_bytes;
    end_ += result.inbox_bytes;
  }
  return result;
}

Inbox::Received Inbox::discard(int socket, std::size_t count) {
  ssize_t received = 0;
  do {
    received = ::recv(socket, nullptr, count, MSG_TRUNC);  // tcp(7)
  } while (received < 0 && errno == EINTR);
  Received result = outcome(received, count);
  if (received > 0) result.block_bytes = static_cast<std::size_t>(received);
  return result;
}

}  // namespace murder::net
