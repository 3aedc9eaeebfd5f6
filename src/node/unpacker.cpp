#include "node/unpacker.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <sched.h>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/yielding.hpp"
#include "host/stager.hpp"

namespace murder::node {
namespace {

struct PieceRange {
  std::uint32_t begin;
  std::uint32_t end;
};

PieceRange pieces_of(const Frame& frame, std::uint32_t piece_length) {
  return {
      static_cast<std::uint32_t>(frame.stored_offset / piece_length),
      static_cast<std::uint32_t>((frame.stored_offset + frame.stored_size - 1) / piece_length + 1)};
}

}  // namespace

Unpacker::Unpacker(boost::asio::io_context& io, const Metainfo& metainfo, int payload_fd,
                   const Destination& destination, Manifest manifest, std::string stored_manifest,
                   std::string owner, const swarm::Bitfield& have, Done done)
    : io_(io),
      metainfo_(metainfo),
      payload_fd_(payload_fd),
      destination_(destination),
      manifest_(std::move(manifest)),
      stored_manifest_(std::move(stored_manifest)),
      owner_(std::move(owner)),
      done_(std::move(done)) {
  for (std::size_t i = 0; i < manifest_.frames.size(); ++i) {
    const PieceRange range = pieces_of(manifest_.frames[i], metainfo.piece_length);
    std::uint32_t missing = 0;
    for (std::uint32_t p = range.begin; p < range.end; ++p)
      if (!have.test(PieceIndex(p))) ++missing;
    missing_pieces_.push_back(missing);
    if (missing == 0) ready_.push_back(i);
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

Unpacker::~Unpacker() {
  thread_.request_stop();
  thread_.join();
}

void Unpacker::add_piece(PieceIndex piece) {
  const std::uint64_t begin = metainfo_.piece_offset(piece);
  const std::uint64_t end = begin + metainfo_.piece_size(piece);
  // The first frame that ends after the piece begins.
  auto frame = std::partition_point(
      manifest_.frames.begin(), manifest_.frames.end(),
      [&](const Frame& f) { return f.stored_offset + f.stored_size <= begin; });
  for (; frame != manifest_.frames.end() && frame->stored_offset < end; ++frame) {
    const auto index = static_cast<std::size_t>(frame - manifest_.frames.begin());
    if (--missing_pieces_[index] > 0) continue;
    const std::lock_guard lock(mutex_);
    ready_.push_back(index);
    changed_.notify_one();
  }
}

void Unpacker::hurry() {
  const std::lock_guard lock(mutex_);
  hurry_ = true;
  changed_.notify_one();
}

std::vector<std::uint32_t> Unpacker::group_of_piece() const {
  std::vector<std::uint32_t> groups(metainfo_.piece_count());
  std::uint32_t frame = 0;
  for (std::uint32_t p = 0; p < groups.size(); ++p) {
    const std::uint64_t begin = metainfo_.piece_offset(PieceIndex(p));
    while (frame < manifest_.frames.size() &&
           manifest_.frames[frame].stored_offset + manifest_.frames[frame].stored_size <= begin)
      ++frame;
    groups[p] = frame;
  }
  return groups;
}

/// nullopt: to be given up.
std::optional<std::size_t> Unpacker::next_frame(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait(lock, stop, [&] { return !ready_.empty(); })) return std::nullopt;
  const std::size_t index = ready_.front();
  ready_.pop_front();
  return index;
}

/// Until there is no time to lose any more.
void Unpacker::rest(Duration time, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, stop, time, [&] { return hurry_; });
  if (stop.stop_requested()) throw GivenUp{};
}

void Unpacker::work(const std::stop_token& stop) {
  std::exception_ptr error;
  try {
    // Does not take the processor from a thread that is running, the transfer's for one.
    const sched_param none{};
    ::sched_setscheduler(0, SCHED_BATCH, &none);
    const ThreadClock clock;
    Yielding yielding;
    Instant step_began = std::chrono::steady_clock::now();
    const auto pause = [&] {
      if (std::chrono::steady_clock::now() - step_began < Yielding::step) return;
      if (const auto times = clock.read()) rest(yielding.rest_after(*times), stop);
      step_began = std::chrono::steady_clock::now();
    };
    Stager stager(destination_, metainfo_.tag(), manifest_, {.owner = owner_, .pause = pause});
    std::vector<std::uint8_t> stored;
    for (std::size_t done = 0; done < manifest_.frames.size(); ++done) {
      const auto index = next_frame(stop);
      if (!index) return;
      const Frame& frame = manifest_.frames[*index];
      stored.resize(frame.stored_size);
      if (!read_exactly_at(payload_fd_, stored, frame.stored_offset, "the pack"))
        throw Error(ErrorKind::failed,
                    "cannot unpack " + metainfo_.tag() + ": the pack was cut short");
      stager.unpack(*index, stored);
      unpacked_bytes_.fetch_add(frame.raw_size, std::memory_order_relaxed);
    }
    stager.finish(stored_manifest_);
  } catch (const GivenUp&) {
    return;
  } catch (...) {
    error = std::current_exception();
  }
  boost::asio::post(io_, [done = done_, error] { done(error); });
}

}  // namespace murder::node
