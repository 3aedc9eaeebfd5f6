#include "swarm/picker.hpp"

#include <algorithm>
#include <utility>

namespace murder::swarm {

Picker::Picker(const Geometry& geometry, Bitfield have)
    : geometry_(geometry),
      have_(std::move(have)),
      taken_(have_),
      availability_(geometry.piece_count()),
      passed_on_(geometry.piece_count()) {}

void Picker::set_first(const std::vector<PieceIndex>& pieces) {
  first_.assign(geometry_.piece_count(), 0);
  for (const PieceIndex piece : pieces) first_[piece.value()] = 1;
}

void Picker::set_groups(std::vector<std::uint32_t> group_of_piece) {
  group_of_piece_ = std::move(group_of_piece);
  std::uint32_t groups = 0;
  for (const std::uint32_t group : group_of_piece_) groups = std::max(groups, group + 1);
  taken_in_group_.assign(groups, 0);
  for (std::uint32_t i = 0; i < group_of_piece_.size(); ++i)
    if (taken_.test(PieceIndex(i))) ++taken_in_group_[group_of_piece_[i]];
}

bool Picker::group_begun(PieceIndex piece) const {
  return !group_of_piece_.empty() && taken_in_group_[group_of_piece_[piece.value()]] > 0;
}

std::optional<PieceIndex> Picker::pick_orphan(const Bitfield& theirs, LinkId link, Instant now) {
  if (orphans_ == 0) return std::nullopt;
  // Few at any time; the lowest index, so that the choice does not depend on the map's order.
  std::optional<PieceIndex> orphan;
  for (const auto& [piece, state] : in_hand_)
    if (!state.owner && !state.verifying && theirs.test(piece) && (!orphan || piece < *orphan))
      orphan = piece;
  if (orphan) set_owner(in_hand_.at(*orphan), link, now);
  return orphan;
}

std::optional<PieceIndex> Picker::pick(const Bitfield& theirs, LinkId link, Instant now,
                                       Random& random) {
  if (const auto orphan = pick_orphan(theirs, link, now)) return orphan;

  std::optional<PieceIndex> best;
  std::uint64_t best_score = ~std::uint64_t{0};
  std::uint64_t ties = 0;
  theirs.for_each_not_in(taken_, [&](PieceIndex piece) {
    // Lower is better: priority, then rarity, then begun groups.
    std::uint64_t score = std::uint64_t{availability_[piece.value()]} << 1;
    if (!group_begun(piece)) score |= 1;
    if (!first_.empty() && first_[piece.value()] == 0) score |= std::uint64_t{1} << 40;
    if (score < best_score) {
      best_score = score;
      best = piece;
      ties = 1;
    } else if (score == best_score && random.below(++ties) == 0) {
      best = piece;
    }
  });
  if (!best) return std::nullopt;

  taken_.set(*best);
  if (!group_of_piece_.empty()) ++taken_in_group_[group_of_piece_[best->value()]];
  PieceInHand& state = in_hand_[*best];
  state.units.assign(geometry_.unit_count(*best), PieceInHand::Unit::missing);
  leave_out_padding(*best, state);
  state.owner = link;
  state.owned_since = now;
  return best;
}

void Picker::leave_out_padding(PieceIndex piece, PieceInHand& state) const {
  const std::uint64_t begin = std::uint64_t{piece.value()} * geometry_.piece_length;
  const std::uint64_t end = begin + geometry_.piece_size(piece);
  auto range = std::partition_point(padding_.begin(), padding_.end(),
                                    [&](const PaddingRange& r) { return r.end <= begin; });
  for (; range != padding_.end() && range->begin < end; ++range) {
    const std::uint64_t from = std::max(range->begin, begin) - begin;
    const std::uint64_t to = std::min(range->end, end) - begin;
    const std::size_t last = begin + to == end ? state.units.size() : to / unit_bytes;
    for (std::size_t u = (from + unit_bytes - 1) / unit_bytes; u < last; ++u)
      state.units[u] = PieceInHand::Unit::padding;
  }
  state.padding_units = static_cast<std::uint32_t>(
      std::count(state.units.begin(), state.units.end(), PieceInHand::Unit::padding));
  if (state.padding_units < state.units.size()) return;
  // Of nothing else: it has to be asked for, so that it comes.
  std::fill(state.units.begin(), state.units.end(), PieceInHand::Unit::missing);
  state.padding_units = 0;
}

PieceInHand* Picker::in_hand(PieceIndex piece) {
  const auto it = in_hand_.find(piece);
  return it == in_hand_.end() ? nullptr : &it->second;
}

void Picker::set_owner(PieceInHand& piece, std::optional<LinkId> owner, Instant now) {
  if (piece.owner.has_value() && !owner) ++orphans_;
  if (!piece.owner && owner.has_value()) --orphans_;
  piece.owner = owner;
  piece.owned_since = now;
}

void Picker::begin_verifying(PieceInHand& piece) {
  if (!piece.owner) --orphans_;
  piece.verifying = true;
}

void Picker::release(PieceIndex piece) {
  const auto it = in_hand_.find(piece);
  if (it == in_hand_.end() || it->second.verifying) return;
  PieceInHand& state = it->second;
  bool has_data = false;
  for (auto& unit : state.units) {
    if (unit == PieceInHand::Unit::requested) unit = PieceInHand::Unit::missing;
    has_data |= unit != PieceInHand::Unit::missing && unit != PieceInHand::Unit::padding;
  }
  if (has_data) {
    set_owner(state, std::nullopt, state.owned_since);
    return;
  }
  discard(piece);
}

void Picker::discard(PieceIndex piece) {
  const auto it = in_hand_.find(piece);
  if (it == in_hand_.end()) return;
  if (!it->second.owner && !it->second.verifying) --orphans_;
  in_hand_.erase(it);
  taken_.reset(piece);
  if (!group_of_piece_.empty()) --taken_in_group_[group_of_piece_[piece.value()]];
}

void Picker::mark_have(PieceIndex piece) {
  const auto it = in_hand_.find(piece);
  if (it != in_hand_.end()) {
    if (!it->second.owner && !it->second.verifying) --orphans_;
    in_hand_.erase(it);
  }
  if (taken_.set(piece) && !group_of_piece_.empty())
    ++taken_in_group_[group_of_piece_[piece.value()]];
  have_.set(piece);
}

}  // namespace murder::swarm
