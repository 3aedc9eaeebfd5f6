#include "release/frame_pipeline.hpp"

#include <algorithm>
#include <cstring>
#include <system_error>

#include "base/error.hpp"
#include "release/frame_compressor.hpp"
#include "release/pack.hpp"

namespace murder {
namespace {

bool all_zeros(std::span<const std::uint8_t> bytes) {
  return bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace

FramePipeline::FramePipeline(TarStream& stream, int level, unsigned threads)
    : stream_(stream),
      level_(level),
      frame_count_((stream.size() + frame_size_bytes - 1) / frame_size_bytes),
      slots_(std::size_t{2} * threads) {
  for (unsigned i = 0; i < threads; ++i) {
    try {
      threads_.emplace_back([this, room = std::make_unique_for_overwrite<std::uint8_t[]>(
                                       frame_size_bytes)](const std::stop_token& stop) {
        work(stop, {room.get(), frame_size_bytes});
      });
    } catch (const std::system_error& error) {
      if (threads_.empty())
        throw_system_error("cannot start", "a thread to pack with", error.code().value());
      return;  // fewer do the same work
    }
  }
}

FramePipeline::~FramePipeline() = default;

const FramePipeline::Compressed& FramePipeline::next() {
  std::unique_lock lock(mutex_);
  if (freed_ < given_) {
    slots_[freed_ % slots_.size()].ready = false;
    ++freed_;
    changed_.notify_all();
  }
  Slot& slot = slots_[given_ % slots_.size()];
  changed_.wait(lock, [&] { return slot.ready; });
  ++given_;
  if (slot.error) std::rethrow_exception(slot.error);
  return slot.frame;
}

void FramePipeline::work(const std::stop_token& stop, std::span<std::uint8_t> room) {
  for (;;) {
    std::uint64_t index = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop,
                    [&] { return taken_ == frame_count_ || taken_ < freed_ + slots_.size(); });
      if (stop.stop_requested() || taken_ == frame_count_) return;
      index = taken_++;
    }
    Slot& slot = slots_[index % slots_.size()];
    try {
      make(index, room, slot);
    } catch (...) {
      slot.error = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      slot.ready = true;
    }
    changed_.notify_all();
  }
}

void FramePipeline::make(std::uint64_t index, std::span<std::uint8_t> raw, Slot& slot) {
  const std::uint64_t offset = index * frame_size_bytes;
  raw = raw.first(
      static_cast<std::size_t>(std::min<std::uint64_t>(raw.size(), stream_.size() - offset)));
  stream_.read(offset, raw);
  // Disk images have them by the thousand: made once, then only hashed as part of their file.
  if (raw.size() == frame_size_bytes && all_zeros(raw)) {
    std::call_once(zeros_made_, [&] { zeros_.frame = compress(raw, zeros_.room); });
    slot.frame = zeros_.frame;
  } else {
    slot.frame = compress(raw, slot.room);
  }
}

FramePipeline::Compressed FramePipeline::compress(std::span<const std::uint8_t> raw,
                                                  std::unique_ptr<std::uint8_t[]>& room) const {
  const std::size_t bytes = compressed_bound(frame_size_bytes);
  if (!room) room = std::make_unique_for_overwrite<std::uint8_t[]>(bytes);
  const std::size_t stored = compress_frame(raw, {room.get(), bytes}, level_);
  return {.raw_size = raw.size(), .raw_sha256 = sha256(raw), .stored = {room.get(), stored}};
}

}  // namespace murder
