#include "node/payload.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <mutex>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "host/beneath.hpp"
#include "host/room.hpp"

namespace murder::node {
namespace {

constexpr std::uint64_t most_hashed_bytes = 128_MiB;

/// What is said when a piece cannot be written: of a full disk also how much room is needed.
[[noreturn]] void fail_to_write(int fd, std::uint64_t length, const std::filesystem::path& path,
                                int error_number) {
  struct stat file {};
  struct statvfs disk {};
  if (!is_disk_full(error_number) || ::fstat(fd, &file) != 0 || ::fstatvfs(fd, &disk) != 0)
    throw_system_error("cannot write", path.native(), error_number);
  const std::uint64_t here = static_cast<std::uint64_t>(file.st_blocks) * 512;
  throw Error(ErrorKind::failed,
              fmt::format("cannot write {}: {} (needed {}, {} free); make room and run the same "
                          "command again",
                          printable(path.native()), system_reason(error_number),
                          format_bytes(length > here ? length - here : 0),
                          format_bytes(std::uint64_t{disk.f_bavail} * disk.f_frsize)));
}

}  // namespace

bool piece_matches(const Metainfo& metainfo, PieceIndex piece, std::span<const std::uint8_t> data) {
  if (!metainfo.piece_sha256.empty()) return sha256(data) == metainfo.piece_sha256[piece.value()];
  return sha1(data) == metainfo.piece_sha1[piece.value()];
}

swarm::Bitfield find_pieces(const Metainfo& metainfo, const Payload& payload, unsigned threads,
                            const std::stop_token& stop) {
  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  const auto most = static_cast<unsigned>(most_hashed_bytes / metainfo.piece_length);
  threads = std::min({threads, metainfo.piece_count(), std::max(1u, most)});
  swarm::Bitfield found(metainfo.piece_count());
  std::mutex mutex;
  std::exception_ptr error;
  std::atomic<std::uint32_t> next{0};
  const auto work = [&] {
    try {
      std::vector<std::uint8_t> data(metainfo.piece_length);
      for (std::uint32_t i = next++; i < metainfo.piece_count() && !stop.stop_requested();
           i = next++) {
        const PieceIndex piece(i);
        const std::span bytes = std::span(data).first(metainfo.piece_size(piece));
        if (!payload.read(bytes, metainfo.piece_offset(piece))) continue;
        if (!piece_matches(metainfo, piece, bytes)) continue;
        const std::lock_guard lock(mutex);
        found.set(piece);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> workers;
    for (unsigned t = 1; t < threads; ++t) workers.emplace_back(work);
    work();
  }
  if (error) std::rethrow_exception(error);
  return found;
}

Allocation parse_allocation(const std::string& text) {
  if (text == "none") return Allocation::none;
  if (text == "sparse") return Allocation::sparse;
  if (text == "full") return Allocation::full;
  throw Error(ErrorKind::usage,
              fmt::format("--allocate: '{}' is not none, sparse or full", printable(text)));
}

Payload::Payload(const Metainfo& metainfo, const std::filesystem::path& path, Access access,
                 Allocation allocation)
    : metainfo_(metainfo), path_(path) {
  if (access == Access::none) return;
  if (metainfo.is_tree() && std::filesystem::is_directory(path)) {
    files_ = access == Access::read ? std::make_unique<PayloadFiles>(metainfo, path)
                                    : std::make_unique<PayloadFiles>(metainfo, path, allocation);
    return;
  }
  if (access == Access::read) {
    fd_ = open_file(path, O_RDONLY);
    const std::uint64_t size = file_size(fd_.get(), path);
    if (size != metainfo.length)
      throw Error(ErrorKind::integrity,
                  fmt::format("{} is not what the torrent describes: {} bytes, not {}",
                              printable(path.native()), size, metainfo.length));
    return;
  }
  fd_ = open_file(path, O_RDWR | O_CREAT);
  const auto length = static_cast<off_t>(metainfo.length);
  // Not posix_fallocate(3), which writes where the filesystem cannot: that would be the whole
  // payload once more. What the filesystem cannot do is left to the writing, as with sparse.
  if (allocation == Allocation::full && ::fallocate(fd_.get(), 0, 0, length) != 0 &&
      errno != EOPNOTSUPP)
    fail_to_write(fd_.get(), metainfo.length, path, errno);
  // Longer than the payload is never right; shorter only while pieces are still to come.
  const bool sized = allocation != Allocation::none || file_size(fd_.get(), path) > metainfo.length;
  if (sized && ::ftruncate(fd_.get(), length) != 0)
    throw_system_error("cannot size", path.native(), errno);
}

bool Payload::read(std::span<std::uint8_t> out, std::uint64_t offset) const {
  return files_ ? files_->read(out, offset) : read_exactly_at(fd_.get(), out, offset, path_);
}

net::OutgoingBlock Payload::outgoing(const wire::Block& block) const {
  const std::uint64_t offset = metainfo_.piece_offset(block.piece) + block.begin;
  if (!files_) return {.block = block, .fd = fd_.get(), .file_offset = offset};
  if (auto place = files_->place_in_one(offset, block.length)) {
    const int fd = place->file->get();
    return {.block = block, .fd = fd, .file_offset = place->offset, .held = std::move(place->file)};
  }
  const auto bytes = std::make_shared<std::string>(block.length, '\0');
  if (!files_->read({reinterpret_cast<std::uint8_t*>(bytes->data()), bytes->size()}, offset))
    throw Error(ErrorKind::failed, fmt::format("cannot read {}: a file in it became shorter",
                                               printable(path_.native())));
  return {.block = block, .bytes = bytes};
}

void Payload::sync() {
  if (files_)
    files_->sync();
  else if (::fsync(fd_.get()) != 0)
    throw_system_error("cannot sync", path_.native(), errno);
}

void Payload::write(PieceIndex piece, std::string_view data) {
  const std::uint64_t offset = metainfo_.piece_offset(piece);
  if (files_)
    files_->write(data, offset);
  else if (!write_all_at(fd_.get(), data, offset))
    fail_to_write(fd_.get(), metainfo_.length, path_, errno);
}

Payload::Buffer Payload::buffer(PieceIndex piece) {
  Buffer& buffer = buffers_[piece];
  if (!buffer) buffer = std::make_shared<std::vector<std::uint8_t>>(metainfo_.piece_size(piece));
  return buffer;
}

void Payload::detach(PieceIndex piece) {
  const auto it = buffers_.find(piece);
  if (it != buffers_.end()) it->second = std::make_shared<std::vector<std::uint8_t>>(*it->second);
}

void Payload::verify(PieceIndex piece, boost::asio::thread_pool& pool, boost::asio::io_context& io,
                     Done done) {
  const auto it = buffers_.find(piece);
  Buffer buffer = std::move(it->second);
  buffers_.erase(it);
  verify(piece, std::move(buffer), pool, io, std::move(done));
}

void Payload::verify(PieceIndex piece, Buffer bytes, boost::asio::thread_pool& pool,
                     boost::asio::io_context& io, Done done) {
  boost::asio::post(pool, [this, piece, buffer = std::move(bytes), &io, done = std::move(done)] {
    bool matches = false;
    std::exception_ptr error;
    try {
      matches = piece_matches(metainfo_, piece, *buffer);
      const std::string_view data(reinterpret_cast<const char*>(buffer->data()), buffer->size());
      if (matches) write(piece, data);
    } catch (...) {
      error = std::current_exception();
    }
    boost::asio::post(io, [done, matches, error] { done(matches, error); });
  });
}

}  // namespace murder::node
