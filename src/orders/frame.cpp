#include "orders/frame.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace murder::orders {
namespace {

std::uint32_t read_length(const std::uint8_t* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 |
         std::uint32_t{at[3]};
}

void append_length(std::string& out, std::size_t length) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(length >> shift));
}

void check_length(std::size_t length) {
  if (length > max_frame_part_bytes)
    throw Error(ErrorKind::failed,
                fmt::format("not a frame: a part of {} bytes, and {} are allowed", length,
                            max_frame_part_bytes));
}

}  // namespace

std::string encode_frame(std::string_view json, std::span<const std::uint8_t> attachment) {
  check_length(json.size());
  check_length(attachment.size());
  std::string out;
  out.reserve(frame_header_bytes + json.size() + attachment.size());
  append_length(out, json.size());
  append_length(out, attachment.size());
  out.append(json);
  out.append(reinterpret_cast<const char*>(attachment.data()), attachment.size());
  return out;
}

void FrameReader::add(std::span<const std::uint8_t> bytes) {
  if (used_ > 0 && used_ == buffer_.size()) {
    buffer_.clear();
    used_ = 0;
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  check_header();
}

void FrameReader::add(std::string_view bytes) {
  add(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

void FrameReader::check_header() const {
  if (buffer_.size() - used_ < frame_header_bytes) return;
  check_length(read_length(buffer_.data() + used_));
  check_length(read_length(buffer_.data() + used_ + 4));
}

std::optional<Frame> FrameReader::next() {
  const std::size_t here = buffer_.size() - used_;
  if (here < frame_header_bytes) return std::nullopt;
  const std::uint8_t* const at = buffer_.data() + used_;
  const std::size_t json = read_length(at);
  const std::size_t attachment = read_length(at + 4);
  check_length(json);
  check_length(attachment);
  if (here - frame_header_bytes < json + attachment) return std::nullopt;
  const std::uint8_t* const text = at + frame_header_bytes;
  Frame frame;
  frame.json.assign(reinterpret_cast<const char*>(text), json);
  frame.attachment.assign(text + json, text + json + attachment);
  used_ += frame_header_bytes + json + attachment;
  if (used_ >= 1u << 20) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(used_));
    used_ = 0;
  }
  return frame;
}

}  // namespace murder::orders
