// A set of small integers from which a random member is drawn in O(1): what a tracker does for
// every announce. Insert and erase are O(1) too; the order of the members means nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "base/units.hpp"

namespace murder::tracker {

/// The place of a peer in its swarm's tables. Used again after the peer is forgotten.
using Slot = Id<struct SlotTag>;

class SlotSet {
 public:
  bool contains(Slot slot) const {
    return slot.value() < position_.size() && position_[slot.value()] != absent;
  }
  /// No effect when it is there already.
  void insert(Slot slot) {
    if (contains(slot)) return;
    if (slot.value() >= position_.size()) position_.resize(slot.value() + std::size_t{1}, absent);
    position_[slot.value()] = static_cast<std::uint32_t>(items_.size());
    items_.push_back(slot);
  }
  /// No effect when it is not there.
  void erase(Slot slot) {
    if (!contains(slot)) return;
    const std::uint32_t hole = position_[slot.value()];
    items_[hole] = items_.back();
    position_[items_[hole].value()] = hole;
    items_.pop_back();
    position_[slot.value()] = absent;
  }
  std::size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  /// Not when empty.
  Slot draw(Random& random) const { return items_[random.below(items_.size())]; }
  const std::vector<Slot>& items() const { return items_; }

 private:
  static constexpr std::uint32_t absent = UINT32_MAX;
  std::vector<Slot> items_;
  std::vector<std::uint32_t> position_;  // by slot; where it is in items_
};

}  // namespace murder::tracker
