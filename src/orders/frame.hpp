// What a deploy and a host say to each other, cut into frames: a JSON object and, for some, bytes.
// The same frames travel over ssh's stdin and stdout, and between a session and the transfer that
// it watches (docs/orders.md).
//
// On the wire: length of the JSON, length of the attachment (each 4 bytes, big endian), JSON,
// attachment. Without I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace murder::orders {

inline constexpr std::size_t frame_header_bytes = 8;
/// A longer JSON or attachment ends the conversation.
inline constexpr std::size_t max_frame_part_bytes = 16u << 20;

struct Frame {
  std::string json;                      ///< one object
  std::vector<std::uint8_t> attachment;  ///< may be empty
};

/// Header, JSON and attachment, ready to be written. Throws Error{failed} when a part is too long.
std::string encode_frame(std::string_view json, std::span<const std::uint8_t> attachment = {});

/// Cuts a stream into frames.
class FrameReader {
 public:
  /// Takes what was read. Throws Error{failed} "…: not a frame" as soon as a length is out of
  /// bounds; then nothing of the stream can be used any more.
  void add(std::span<const std::uint8_t> bytes);
  void add(std::string_view bytes);
  /// The next whole frame, if there is one.
  std::optional<Frame> next();
  /// Nothing of a frame is waiting for the rest of it.
  bool empty() const { return used_ == buffer_.size(); }

 private:
  void check_header() const;

  std::vector<std::uint8_t> buffer_;
  std::size_t used_ = 0;  ///< of the buffer, by frames that were handed out
};

}  // namespace murder::orders
