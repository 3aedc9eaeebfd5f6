// A set of pieces, in 64-bit words so that "what they have and we lack" is a few instructions a
// word.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.hpp"

namespace murder::swarm {

class Bitfield {
 public:
  Bitfield() = default;
  explicit Bitfield(std::uint32_t size) : words_((size + 63) / 64), size_(size) {}

  std::uint32_t size() const { return size_; }
  std::uint32_t count() const { return count_; }
  bool all() const { return count_ == size_; }
  bool none() const { return count_ == 0; }
  bool test(PieceIndex piece) const {
    return (words_[piece.value() / 64] >> (piece.value() % 64) & 1) != 0;
  }
  /// True when it was not set before.
  bool set(PieceIndex piece) {
    const std::uint64_t bit = std::uint64_t{1} << (piece.value() % 64);
    std::uint64_t& word = words_[piece.value() / 64];
    if ((word & bit) != 0) return false;
    word |= bit;
    ++count_;
    return true;
  }
  /// True when it was set before.
  bool reset(PieceIndex piece) {
    const std::uint64_t bit = std::uint64_t{1} << (piece.value() % 64);
    std::uint64_t& word = words_[piece.value() / 64];
    if ((word & bit) == 0) return false;
    word &= ~bit;
    --count_;
    return true;
  }
  void set_all() {
    for (std::uint32_t i = 0; i < size_; ++i) set(PieceIndex(i));
  }

  /// Calls visit(PieceIndex) for each piece in this set and not in `other`, in order.
  template <class Visit>
  void for_each_not_in(const Bitfield& other, Visit&& visit) const {
    for (std::size_t w = 0; w < words_.size(); ++w)
      for (std::uint64_t word = words_[w] & ~other.words_[w]; word != 0; word &= word - 1)
        visit(PieceIndex(
            static_cast<std::uint32_t>(w * 64 + static_cast<std::size_t>(std::countr_zero(word)))));
  }
  bool has_any_not_in(const Bitfield& other) const {
    for (std::size_t w = 0; w < words_.size(); ++w)
      if ((words_[w] & ~other.words_[w]) != 0) return true;
    return false;
  }

  /// BEP 3's form: high bit of the first byte is piece 0, spare bits zero.
  std::string to_wire() const;
  /// nullopt when the length is wrong or a spare bit is set.
  static std::optional<Bitfield> from_wire(std::string_view bits, std::uint32_t size);

 private:
  std::vector<std::uint64_t> words_;
  std::uint32_t size_ = 0;
  std::uint32_t count_ = 0;
};

}  // namespace murder::swarm
