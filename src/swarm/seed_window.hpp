// Rule 1: each piece leaves the seeder once before any leaves twice.
//
// The seeder shows each murder peer a short window of pieces that it shows to nobody else, and
// opens the next one when a shown one has been sent. When all pieces are out, everything is opened
// to everyone. Nothing waits for a piece to be seen elsewhere first: that is what makes classic
// super-seeding slow.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "base/units.hpp"
#include "swarm/bitfield.hpp"
#include "swarm/geometry.hpp"

namespace murder::swarm {

class SeedWindow {
 public:
  /// `first`: pieces to send before the others, in that order; the rest follow in pack order.
  SeedWindow(const Geometry& geometry, const std::vector<PieceIndex>& first);

  /// Every piece has been sent once (or was seen at a peer): nothing is withheld any more.
  bool open() const { return out_.all(); }
  const Bitfield& out() const { return out_; }

  /// The pieces to show to `link` now, given that it may have `window_bytes` shown and not yet
  /// sent.
  std::vector<PieceIndex> extend(LinkId link, std::uint64_t window_bytes, const Bitfield& theirs,
                                 Instant now);
  /// `bytes` of the piece went to the link. True when that opened the seeder to everyone.
  bool sent(LinkId link, PieceIndex piece, std::uint32_t bytes, Instant now);
  /// Somebody has it, wherever from. True when that opened the seeder to everyone.
  bool seen(PieceIndex piece);
  /// The link has got something, wherever from: it is shown more again.
  void moved(LinkId link);
  /// The link is gone; what it was shown and had not got is shown to others, soonest.
  void remove(LinkId link);
  /// What was shown and has not moved for `patience` goes back to be shown to others, and its link
  /// is shown no more until it gets something. When nothing is left to show, a tenth of the
  /// patience is enough. A link that only waits for its turn is not held to that: on a slow uplink
  /// a round takes seconds. True when there was any.
  bool take_back(Instant now, Duration patience);

 private:
  struct Shown {
    PieceIndex piece;
    std::uint32_t bytes_sent = 0;
    Instant moved;                    ///< when it was shown, or last sent a part of
    std::uint64_t bytes_by_then = 0;  ///< that had been sent to all murder peers
  };
  struct Window {
    std::vector<Shown> shown;
    bool stalled = false;
  };
  bool mark_out(PieceIndex piece);

  Geometry geometry_;
  std::deque<PieceIndex> waiting_;  ///< not shown to anyone; may hold pieces that are out by now
  Bitfield out_;
  std::uint64_t bytes_sent_ = 0;  ///< to all murder peers
  Instant last_sent_{};
  std::map<LinkId, Window> windows_;
};

}  // namespace murder::swarm
