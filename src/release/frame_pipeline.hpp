// The threads of a packer: each takes the next part of the tar stream, reads it, hashes it and
// compresses it; the frames come out in order. At most two finished frames a thread wait.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/digest.hpp"
#include "release/tar_stream.hpp"

namespace murder {

class FramePipeline {
 public:
  struct Compressed {
    std::uint64_t raw_size = 0;
    Sha256Digest raw_sha256;
    std::span<const std::uint8_t> stored;
  };

  /// `threads` ≥ 1 start at once. `stream` must outlive this.
  FramePipeline(TarStream& stream, int level, unsigned threads);
  /// Waits for the frames in hand.
  ~FramePipeline();
  FramePipeline(const FramePipeline&) = delete;
  FramePipeline& operator=(const FramePipeline&) = delete;

  std::uint64_t frame_count() const { return frame_count_; }
  /// The next frame in order, valid until the next call; at most frame_count() calls, by one
  /// thread. Throws what kept this frame from being made: of several files in trouble, always the
  /// same one.
  const Compressed& next();

 private:
  // A finished frame and its room, used again and again.
  struct Slot {
    Compressed frame;
    std::unique_ptr<std::uint8_t[]> room;
    std::exception_ptr error;
    bool ready = false;
  };

  void work(const std::stop_token& stop, std::span<std::uint8_t> room);
  void make(std::uint64_t index, std::span<std::uint8_t> raw, Slot& slot);
  Compressed compress(std::span<const std::uint8_t> raw,
                      std::unique_ptr<std::uint8_t[]>& room) const;

  TarStream& stream_;
  const int level_;
  const std::uint64_t frame_count_;
  std::once_flag zeros_made_;
  Slot zeros_;  // a full frame of zeros
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Slot> slots_;
  std::uint64_t taken_ = 0;            // frames below are in some thread's hands or were
  std::uint64_t given_ = 0;            // frames below were given out by next()
  std::uint64_t freed_ = 0;            // frames below are no longer needed
  std::vector<std::jthread> threads_;  // last: they are stopped before the rest goes
};

}  // namespace murder
