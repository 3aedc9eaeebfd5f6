// The sending side's system calls: control messages gathered in one string, and one block at a time
// with sendfile(2) or from memory, its 13-byte header held back by MSG_MORE so that it leaves in
// the same segment.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/peer_connection.hpp"

namespace murder::net {

class Outbox {
 public:
  enum class Result {
    done,         ///< nothing of it is left
    more,         ///< the limit was reached first
    blocked,      ///< the socket takes no more now
    socket_lost,  ///< error() is of the connection
    file_failed,  ///< error() is of the file; 0: it ends before the block does
  };

  void append(const wire::Message& message) { wire::append(control_, message); }
  void append(std::string_view bytes) { control_ += bytes; }
  std::size_t control_bytes() const { return control_.size() - control_sent_; }
  Result send_control(int socket);

  /// Control messages that still wait leave with its header.
  void set_block(const OutgoingBlock& block);
  const std::optional<OutgoingBlock>& block() const { return block_; }
  /// Sends up to about `limit` bytes, taking what was sent from it. When done, block() is left for
  /// the caller to read, until clear_block().
  Result send_block(int socket, std::size_t& limit);
  void clear_block() { block_.reset(); }

  int error() const { return error_; }

 private:
  void forget_control();
  Result send_header(int socket);
  Result send_data(int socket, std::size_t& limit);
  Result send_from_memory(int socket, std::size_t& limit);
  Result socket_result(int error);

  std::string control_;
  std::size_t control_sent_ = 0;
  std::optional<OutgoingBlock> block_;
  std::string header_;
  std::size_t header_sent_ = 0;
  std::uint32_t data_sent_ = 0;
  int error_ = 0;
};

}  // namespace murder::net
