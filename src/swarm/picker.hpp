// Which piece to ask a link for: local rarest first (rule 4). Whole pieces come from one link; what
// a lost link leaves half done is finished before anything new is begun.
//
// A piece is missing, in hand (someone was asked for it, or it is being verified) or had. Only
// pieces in hand have a record; everything else is two bit sets and a count a piece.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "base/units.hpp"
#include "swarm/bitfield.hpp"
#include "swarm/geometry.hpp"

namespace murder::swarm {

/// A piece in hand.
struct PieceInHand {
  enum class Unit : std::uint8_t { missing, requested, receiving, received, padding };
  std::vector<Unit> units;
  std::uint32_t received_units = 0;
  std::uint32_t padding_units = 0;   ///< zeros, asked of nobody
  std::optional<LinkId> owner;       ///< the link that is being asked for what is missing
  std::vector<LinkId> contributors;  ///< whose data is in it
  Instant owned_since{};
  std::uint8_t times_taken_back = 0;
  bool verifying = false;

  bool complete() const { return received_units + padding_units == units.size(); }
};

/// A range of the payload that holds zeros, as everybody knows: bytes from `begin` to before `end`.
struct PaddingRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class Picker {
 public:
  Picker(const Geometry& geometry, Bitfield have);

  const Geometry& geometry() const { return geometry_; }
  const Bitfield& have() const { return have_; }
  bool complete() const { return have_.all(); }
  /// Missing pieces that nobody has been asked for.
  std::uint32_t untouched() const { return geometry_.piece_count() - taken_.count(); }

  // Availability: how many links have a piece.
  void add_availability(PieceIndex piece) { ++availability_[piece.value()]; }
  void remove_availability(PieceIndex piece) { --availability_[piece.value()]; }
  std::uint32_t availability(PieceIndex piece) const { return availability_[piece.value()]; }

  // Copies among the neighbours, as far as we know: who got a piece from us does not announce it to
  // us.
  void add_copy(PieceIndex piece) { ++passed_on_[piece.value()]; }
  std::uint32_t copies(PieceIndex piece) const {
    return availability_[piece.value()] + std::uint32_t{passed_on_[piece.value()]};
  }

  /// Pieces to fetch before all others (the manifest's), in this order of merit.
  void set_first(const std::vector<PieceIndex>& pieces);
  /// Units that lie in these, in order, are asked of nobody (BEP 47).
  void set_padding(std::vector<PaddingRange> padding) { padding_ = std::move(padding); }
  /// Which frame of the pack a piece begins in, so that ties go to frames already begun.
  void set_groups(std::vector<std::uint32_t> group_of_piece);

  /// The best piece to ask of a link that has `theirs`, now in hand and owned by `link`. A
  /// half-done piece without an owner first, then priority, rarity, begun groups, chance.
  std::optional<PieceIndex> pick(const Bitfield& theirs, LinkId link, Instant now, Random& random);
  /// Nothing but a half-done piece without an owner.
  std::optional<PieceIndex> pick_orphan(const Bitfield& theirs, LinkId link, Instant now);

  PieceInHand* in_hand(PieceIndex piece);
  const std::unordered_map<PieceIndex, PieceInHand>& all_in_hand() const { return in_hand_; }
  /// The owner gives it up: requested units are missing again. The record goes when nothing has
  /// been received.
  void release(PieceIndex piece);
  /// It did not match its digest: missing again as a whole.
  void discard(PieceIndex piece);
  void mark_have(PieceIndex piece);
  /// Every byte has come; nobody else is asked for it while it is checked.
  void begin_verifying(PieceInHand& piece);
  /// A piece that is half done and that nobody is asked for.
  bool has_orphans() const { return orphans_ > 0; }
  /// For a change of owner, so that orphans stay counted.
  void set_owner(PieceInHand& piece, std::optional<LinkId> owner, Instant now);

 private:
  bool group_begun(PieceIndex piece) const;
  void leave_out_padding(PieceIndex piece, PieceInHand& state) const;

  Geometry geometry_;
  Bitfield have_;
  Bitfield taken_;  ///< had or in hand
  std::vector<std::uint16_t> availability_;
  std::vector<std::uint16_t> passed_on_;  ///< how often, by us
  std::vector<std::uint8_t> first_;       ///< 1 for pieces that go first; empty: none
  std::vector<PaddingRange> padding_;
  std::vector<std::uint32_t> group_of_piece_;  ///< empty: none
  std::vector<std::uint32_t> taken_in_group_;
  std::unordered_map<PieceIndex, PieceInHand> in_hand_;
  std::uint32_t orphans_ = 0;
};

}  // namespace murder::swarm
