// A file on its way into a socket, without a copy of it in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <sys/types.h>

#include "base/file.hpp"

namespace murder::net {

class OutgoingFile {
 public:
  /// From its beginning to the end that it has now. nullopt for what is no regular file.
  static std::optional<OutgoingFile> of(UniqueFd file);
  std::uint64_t size() const { return static_cast<std::uint64_t>(end_); }
  bool is_sent() const { return offset_ == end_; }
  /// What the non-blocking socket takes now, but not so much that others wait long. False when the
  /// connection is gone or the file has become shorter: it cannot be sent any more.
  bool send_some(int socket);

 private:
  OutgoingFile(UniqueFd file, off_t end) : file_(std::move(file)), end_(end) {}

  UniqueFd file_;
  off_t offset_ = 0;
  off_t end_;
};

}  // namespace murder::net
