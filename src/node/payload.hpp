// The payload of a swarm on disk: the pack (or raw file, or folder of files) that pieces are
// written to and sent from.
//
// Pieces are received into memory, hashed and written by worker threads, and only then counted as
// had. Everything but the workers' part belongs to the loop's thread; the workers are handed whole
// buffers.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.hpp"
#include "bittorrent/metainfo.hpp"
#include "net/peer_connection.hpp"
#include "node/options.hpp"
#include "node/payload_files.hpp"
#include "swarm/bitfield.hpp"

namespace murder::node {

/// One piece's bytes match the metainfo: SHA-256 where it has them, else SHA-1.
bool piece_matches(const Metainfo& metainfo, PieceIndex piece, std::span<const std::uint8_t> data);

class Payload {
 public:
  enum class Access { none, read, read_write };
  /// Opens `path`; read_write creates it and takes room for it as `allocation` says, none leaves it
  /// alone. A folder, for a torrent of several files, has them as PayloadFiles says; a file has all
  /// of the payload, whatever the torrent. Throws Error{failed} when there is no room for all of it
  /// and it is to be had at once.
  Payload(const Metainfo& metainfo, const std::filesystem::path& path, Access access,
          Allocation allocation = Allocation::sparse);

  /// Of a payload that is one file.
  int fd() const { return fd_.get(); }
  const std::filesystem::path& path() const { return path_; }
  /// After the file was renamed.
  void moved_to(const std::filesystem::path& path) { path_ = path; }

  /// Any thread. False when it ends before that.
  bool read(std::span<std::uint8_t> out, std::uint64_t offset) const;
  /// Throws Error{failed} when it cannot be read.
  net::OutgoingBlock outgoing(const wire::Block& block) const;
  /// All of it is on disk when this returns.
  void sync();

  /// The memory that a piece is received into; made, of zeros, when first asked for. Shared with
  /// the link that writes into it.
  using Buffer = std::shared_ptr<std::vector<std::uint8_t>>;
  Buffer buffer(PieceIndex piece);
  /// From now on the piece has another buffer with the same content; whoever holds the old one
  /// writes beside it.
  void detach(PieceIndex piece);
  std::size_t buffered_pieces() const { return buffers_.size(); }

  /// Hashes the piece's buffer on `pool`, writes it when it matches, frees it, and calls back on
  /// `io`: with the result, or with what went wrong when writing (the exception of a full disk).
  using Done = std::function<void(bool matches, std::exception_ptr error)>;
  void verify(PieceIndex piece, boost::asio::thread_pool& pool, boost::asio::io_context& io,
              Done done);
  /// The same with bytes from elsewhere, which nobody else writes to.
  void verify(PieceIndex piece, Buffer bytes, boost::asio::thread_pool& pool,
              boost::asio::io_context& io, Done done);
  /// The piece is no longer to be received: its buffer belongs to those alone that still hold it.
  void forget(PieceIndex piece) { buffers_.erase(piece); }

 private:
  void write(PieceIndex piece, std::string_view data);

  const Metainfo& metainfo_;
  std::filesystem::path path_;
  UniqueFd fd_;
  std::unique_ptr<PayloadFiles> files_;  ///< instead of fd_
  std::unordered_map<PieceIndex, Buffer> buffers_;
};

/// Hashes what is there on `threads` threads (0: all cores, and so few that no more than 128 MiB
/// are in hand) and returns the pieces that match; those found so far when `stop` is requested. A
/// file that ends early has fewer pieces.
swarm::Bitfield find_pieces(const Metainfo& metainfo, const Payload& payload, unsigned threads = 0,
                            const std::stop_token& stop = {});

}  // namespace murder::node
