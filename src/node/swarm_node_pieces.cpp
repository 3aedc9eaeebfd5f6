// Pieces of a running node: those that came over links and those that are handed over are checked
// and written by the workers, and only then had.
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <utility>

#include "base/error.hpp"
#include "node/swarm_node.hpp"

namespace murder::node {
namespace {

Instant now() { return std::chrono::steady_clock::now(); }

}  // namespace

void SwarmNode::verify(PieceIndex piece) {
  payload_.verify(piece, workers_, io_,
                  [this, piece, alive = alive_](bool matches, const std::exception_ptr& error) {
                    if (!*alive || stopping_) return;
                    if (error) {
                      callbacks_.on_failure(error);
                      return;
                    }
                    const bool was_complete = engine_.complete();
                    // It may have been handed over in the meantime, and nobody hears of it twice.
                    const bool is_new = !engine_.have().test(piece);
                    engine_.on_piece_verified(piece, matches, now());
                    schedule_tick();
                    if (matches && is_new) piece_is_here(piece, was_complete);
                  });
}

void SwarmNode::piece_is_here(PieceIndex piece, bool was_complete) {
  last_progress_ = now();
  if (callbacks_.on_piece) callbacks_.on_piece(piece);
  if (!was_complete && engine_.complete() && callbacks_.on_complete) callbacks_.on_complete();
}

void SwarmNode::feed(PieceIndex piece, std::vector<std::uint8_t> bytes, Fed done) {
  const auto answer = [&](const std::exception_ptr& error) {
    boost::asio::post(io_, [this, done, error, alive = alive_] {
      if (*alive && !stopping_) done(error);
    });
  };
  if (piece.value() >= metainfo_.piece_count() || bytes.size() != metainfo_.piece_size(piece)) {
    answer(std::make_exception_ptr(
        Error(ErrorKind::integrity, fmt::format("{} bytes are no piece {} of {}", bytes.size(),
                                                piece.value(), metainfo_.tag()))));
    return;
  }
  if (engine_.have().test(piece)) {
    answer(nullptr);
    return;
  }
  feeding_bytes_ += bytes.size();
  payload_.verify(
      piece, std::make_shared<std::vector<std::uint8_t>>(std::move(bytes)), workers_, io_,
      [this, piece, done, alive = alive_](bool matches, const std::exception_ptr& error) {
        if (*alive && !stopping_) feed_checked(piece, matches, error, done);
      });
}

void SwarmNode::feed_checked(PieceIndex piece, bool matches, const std::exception_ptr& error,
                             const Fed& done) {
  feeding_bytes_ -= metainfo_.piece_size(piece);
  if (error) {
    done(error);
    callbacks_.on_failure(error);
    return;
  }
  if (!matches) {
    done(std::make_exception_ptr(
        Error(ErrorKind::integrity,
              fmt::format("what was handed over as piece {} of {} does not match its digest",
                          piece.value(), metainfo_.tag()))));
    return;
  }
  // It may have come from a link in the meantime.
  if (!engine_.have().test(piece)) {
    fed_bytes_ += metainfo_.piece_size(piece);
    payload_.forget(piece);
    const bool was_complete = engine_.complete();
    engine_.on_piece_fed(piece, now());
    schedule_tick();
    piece_is_here(piece, was_complete);
  }
  done(nullptr);
}

void SwarmNode::detach(LinkId, PieceIndex piece) { payload_.detach(piece); }

}  // namespace murder::node
