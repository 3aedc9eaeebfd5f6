// The receiving side's system calls. One call takes the rest of a block straight to its place and,
// behind it, the next headers into a small buffer; so a stream of blocks costs about one call a
// block, and only what follows a header in that buffer is copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace murder::net {

class Inbox {
 public:
  Inbox();

  struct Received {
    std::size_t block_bytes = 0;  ///< of these, so many belong to the block
    std::size_t inbox_bytes = 0;  ///< and so many were added to unread()
    bool drained = false;         ///< the kernel had less than was asked for
    bool ended = false;           ///< the peer has closed its side
    int error = 0;                ///< errno, EAGAIN when there was nothing
  };
  /// Receives into `block` first, then behind unread(). While `block` is not empty unread() must
  /// be: its bytes would come before the block's.
  Received receive(int socket, std::span<std::uint8_t> block);
  /// Throws away up to `count` bytes of a block nobody wants, without copying them.
  Received discard(int socket, std::size_t count);

  std::string_view unread() const;
  void consume(std::size_t count);

 private:
  std::span<std::uint8_t> room_for_messages();

  std::vector<std::uint8_t> buffer_;
  std::size_t begin_ = 0;  ///< of what is unread
  std::size_t end_ = 0;
};

}  // namespace murder::net
