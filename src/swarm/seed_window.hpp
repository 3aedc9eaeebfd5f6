// Rule 1: each piece leaves the seeder once before any leaves twice.
//
// The seeder shows each murder peer a short window of pieces that it shows to nobody else, and
// opens the next one when a shown one has been sent. When all pieces are out, everything is opened
// to everyone. Nothing waits for a piece to be seen elsewhere first: that is what makes classic
// super-seeding slow.
//
// A seeder may begin before it has everything: what comes later is shown as soon as it is there.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/units.hpp"
#include "swarm/bitfield.hpp"
#include "swarm/geometry.hpp"

namespace murder::swarm {

class SeedWindow {
 public:
  /// `first`: pieces to send before the others, in that order; the rest follow in pack order.
  /// `have`: those that are here; the others are withheld until add().
  SeedWindow(const Geometry& geometry, const std::vector<PieceIndex>& first, const Bitfield& have);

  /// One more piece is here. `lost`: whoever was seen with it is gone, so that it is to leave
  /// again.
  void add(PieceIndex piece, bool lost);
  /// Whom to show the one piece that waits: of the links that nothing hinders, the one with least
  /// to get, the longest not shown any. nullopt when none or more than one waits: windows are full
  /// then, and are filled again as they get empty.
  std::optional<LinkId> neediest() const;
  /// All that is here is out, and the rest has yet to come.
  bool idle() const;

  /// Every piece of the torrent has been sent once (or was seen at a peer): nothing is withheld any
  /// more.
  bool open() const { return out_.all(); }
  const Bitfield& out() const { return out_; }

  /// The pieces to show to `link` now, given that it may have `window_bytes` shown and not yet
  /// sent.
  std::vector<PieceIndex> extend(LinkId link, std::uint64_t window_bytes, const Bitfield& theirs,
                                 Instant now);
  /// `bytes` of the piece went to the link, shown to it just now or not. When all of the piece has,
  /// it is out. True when that opened the seeder to everyone.
  bool sent(LinkId link, PieceIndex piece, std::uint32_t bytes, Instant now);
  /// Somebody has it, wherever from. True when that opened the seeder to everyone.
  bool seen(PieceIndex piece);
  /// The link has got something, wherever from: it is shown more again.
  void moved(LinkId link);
  /// The link is gone. What it was shown and had not got is shown to others, soonest; and before
  /// that what is lost with it: what is out and neither in `elsewhere`, which the others say they
  /// have, nor went whole to one of them, is not out any more.
  void remove(LinkId link, const Bitfield& elsewhere);
  /// What was shown and has not moved for `patience` goes back to be shown to others, and its link
  /// is shown no more until it gets something. When nothing is left to show or to come, a tenth of
  /// the patience is enough. A link that only waits for its turn is not held to that: on a slow
  /// uplink a round takes seconds. True when there was any.
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
    /// Of what is not shown to it any more, or never was: pieces that went in part.
    std::map<PieceIndex, std::uint32_t> loose_bytes;
    Bitfield got;  ///< what went to it whole; murder peers do not say so again
    bool stalled = false;
    std::uint64_t shown_at = 0;  ///< by shows_
  };
  Window& window_of(LinkId link);
  bool mark_out(PieceIndex piece);
  std::uint64_t pending_bytes(const Window& window) const;

  Geometry geometry_;
  Bitfield first_;
  Bitfield here_;
  std::deque<PieceIndex> waiting_;  ///< not shown to anyone; may hold pieces that are out by now
  Bitfield out_;
  std::uint64_t shows_ = 0;       ///< pieces shown so far
  std::uint64_t bytes_sent_ = 0;  ///< to all murder peers
  Instant last_sent_{};
  std::map<LinkId, Window> windows_;
};

}  // namespace murder::swarm
