// FrameDecoder: one frame of a pack back to its part of the tar stream, checked. The bytes come
// from the network; nothing here trusts them.
#include <fmt/format.h>
#include <new>
#include <zstd.h>

#include "base/error.hpp"
#include "release/limits.hpp"
#include "release/pack.hpp"

namespace murder {
namespace {

[[noreturn]] void refuse(const Frame& frame, std::string_view reason) {
  throw Error(ErrorKind::integrity,
              fmt::format("cannot unpack the frame at byte {} of the pack: {}", frame.stored_offset,
                          reason));
}

}  // namespace

struct FrameDecoder::Impl {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  std::unique_ptr<std::uint8_t[]> buffer;
  std::size_t capacity = 0;

  Impl() {
    if (context == nullptr) throw std::bad_alloc();
  }
  ~Impl() { ZSTD_freeDCtx(context); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::span<std::uint8_t> room(std::size_t size) {
    if (size > capacity) {
      buffer = std::make_unique_for_overwrite<std::uint8_t[]>(size);
      capacity = size;
    }
    return {buffer.get(), size};
  }
};

FrameDecoder::FrameDecoder() : impl_(std::make_unique<Impl>()) {}
FrameDecoder::~FrameDecoder() = default;

std::span<const std::uint8_t> FrameDecoder::decode(const Frame& frame,
                                                   std::span<const std::uint8_t> stored) {
  if (frame.raw_size == 0 || frame.raw_size > max_frame_raw_bytes)
    refuse(frame, fmt::format("it says it holds {} bytes", frame.raw_size));
  if (stored.size() != frame.stored_size)
    refuse(frame, fmt::format("it has {} bytes, not {}", stored.size(), frame.stored_size));
  if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != frame.raw_size)
    refuse(frame, "it is not a zstd frame of the size that the manifest says");
  // Else ZSTD_decompress would go on with whatever follows.
  if (ZSTD_findFrameCompressedSize(stored.data(), stored.size()) != stored.size())
    refuse(frame, "it is not one whole zstd frame");
  const auto raw = impl_->room(static_cast<std::size_t>(frame.raw_size));
  const std::size_t result =
      ZSTD_decompressDCtx(impl_->context, raw.data(), raw.size(), stored.data(), stored.size());
  if (ZSTD_isError(result) != 0) refuse(frame, ZSTD_getErrorName(result));
  if (result != raw.size()) refuse(frame, "it is shorter than it says");
  if (sha256(raw) != frame.raw_sha256)
    refuse(frame, "its content does not have the digest that the manifest says");
  return raw;
}

}  // namespace murder
