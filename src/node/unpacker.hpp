// Unpacks a pack while it is still arriving: each frame as soon as all of its pieces are verified,
// on a thread of its own that makes room for whatever else wants the processor until the transfer
// is over.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/units.hpp"
#include "bittorrent/metainfo.hpp"
#include "host/destination.hpp"
#include "release/manifest.hpp"
#include "swarm/bitfield.hpp"

namespace murder::node {

class Unpacker {
 public:
  /// Called on the loop. `error` empty: the release is staged.
  using Done = std::function<void(std::exception_ptr error)>;

  /// `stored_manifest`: as in the pack. `owner`: as in StageOptions. `have`: pieces that are there
  /// already. `payload_fd` outlives this.
  Unpacker(boost::asio::io_context& io, const Metainfo& metainfo, int payload_fd,
           const Destination& destination, Manifest manifest, std::string stored_manifest,
           std::string owner, const swarm::Bitfield& have, Done done);
  /// Gives up at the next file.
  ~Unpacker();

  /// From the loop: one more piece is verified and in the file.
  void add_piece(PieceIndex piece);
  /// From the loop: the transfer is over, use what processor there is.
  void hurry();

  const Manifest& manifest() const { return manifest_; }
  /// Tar bytes unpacked so far; any thread.
  std::uint64_t unpacked_bytes() const { return unpacked_bytes_.load(std::memory_order_relaxed); }
  /// Which frame each piece begins in, for Engine::set_groups. Pieces past the last frame are in a
  /// group of their own.
  std::vector<std::uint32_t> group_of_piece() const;

 private:
  struct GivenUp {};
  void work(const std::stop_token& stop);
  std::optional<std::size_t> next_frame(const std::stop_token& stop);
  void rest(Duration time, const std::stop_token& stop);

  boost::asio::io_context& io_;
  const Metainfo& metainfo_;
  int payload_fd_;
  const Destination& destination_;
  Manifest manifest_;
  std::string stored_manifest_;
  std::string owner_;
  Done done_;
  std::vector<std::uint32_t> missing_pieces_;  ///< by frame; the loop's
  std::atomic<std::uint64_t> unpacked_bytes_{0};

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::size_t> ready_;  ///< frames; guarded by mutex_
  bool hurry_ = false;             ///< guarded by mutex_
  std::jthread thread_;
};

}  // namespace murder::node
