#include "swarm/bitfield.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <set>
#include <vector>

namespace murder::swarm {
namespace {

TEST(Bitfield, high_bit_of_the_first_byte_is_piece_0) {
  Bitfield field(10);
  field.set(PieceIndex(0));
  field.set(PieceIndex(9));
  EXPECT_EQ(field.to_wire(), std::string("\x80\x40", 2));
}

TEST(Bitfield, wrong_length_or_spare_bits_are_refused) {
  EXPECT_FALSE(Bitfield::from_wire(std::string("\x80", 1), 10));
  EXPECT_FALSE(Bitfield::from_wire(std::string("\x80\x40\x00", 3), 10));
  EXPECT_FALSE(Bitfield::from_wire(std::string("\x80\x20", 2), 10));
  EXPECT_TRUE(Bitfield::from_wire(std::string("\x80\x40", 2), 10));
}

TEST(Bitfield, behaves_like_a_set) {
  EXPECT_TRUE(rc::check([] {
    const auto size = *rc::gen::inRange<std::uint32_t>(1, 300);
    const auto pieces =
        *rc::gen::container<std::set<std::uint32_t>>(rc::gen::inRange<std::uint32_t>(0, size));
    const auto others =
        *rc::gen::container<std::set<std::uint32_t>>(rc::gen::inRange<std::uint32_t>(0, size));
    Bitfield field(size);
    Bitfield other(size);
    for (const auto p : pieces) RC_ASSERT(field.set(PieceIndex(p)));
    for (const auto p : others) other.set(PieceIndex(p));
    RC_ASSERT(field.count() == pieces.size());
    RC_ASSERT(field.all() == (pieces.size() == size));
    const auto back = Bitfield::from_wire(field.to_wire(), size);
    RC_ASSERT(back.has_value());
    std::vector<std::uint32_t> difference;
    for (const auto p : pieces)
      if (!others.contains(p)) difference.push_back(p);
    std::vector<std::uint32_t> seen;
    back->for_each_not_in(other, [&](PieceIndex p) { seen.push_back(p.value()); });
    RC_ASSERT(seen == difference);
    RC_ASSERT(back->has_any_not_in(other) == !difference.empty());
    for (const auto p : pieces) RC_ASSERT(field.reset(PieceIndex(p)));
    RC_ASSERT(field.none());
  }));
}

}  // namespace
}  // namespace murder::swarm
