#include "swarm/picker.hpp"

#include <gtest/gtest.h>
#include <set>

namespace murder::swarm {
namespace {

constexpr Geometry geometry{20 * 32 * 1024, 32 * 1024};
const Instant now{};

Bitfield everything() {
  Bitfield field(geometry.piece_count());
  field.set_all();
  return field;
}

class PickerTest : public testing::Test {
 protected:
  Picker picker_{geometry, Bitfield(geometry.piece_count())};
  Random random_{1};
  std::optional<PieceIndex> pick(const Bitfield& theirs, std::uint32_t link = 1) {
    return picker_.pick(theirs, LinkId(link), now, random_);
  }
};

TEST_F(PickerTest, rarest_piece_goes_first) {
  for (std::uint32_t i = 0; i < geometry.piece_count(); ++i) {
    picker_.add_availability(PieceIndex(i));
    if (i != 7) picker_.add_availability(PieceIndex(i));
  }
  EXPECT_EQ(pick(everything()), PieceIndex(7));
}

TEST_F(PickerTest, manifest_goes_before_rarity) {
  for (std::uint32_t i = 0; i < geometry.piece_count(); ++i)
    if (i != 7) picker_.add_availability(PieceIndex(i));
  picker_.set_first({PieceIndex(19)});
  EXPECT_EQ(pick(everything()), PieceIndex(19));
  EXPECT_EQ(pick(everything()), PieceIndex(7));
}

TEST_F(PickerTest, ties_go_to_a_frame_already_begun) {
  std::vector<std::uint32_t> groups(geometry.piece_count());
  for (std::uint32_t i = 0; i < groups.size(); ++i) groups[i] = i / 5;
  picker_.set_groups(groups);
  const std::uint32_t begun = pick(everything())->value() / 5;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(pick(everything())->value() / 5, begun);
  EXPECT_NE(pick(everything())->value() / 5, begun);
}

TEST_F(PickerTest, no_piece_is_handed_out_twice) {
  std::set<PieceIndex> picked;
  while (const auto piece = pick(everything())) EXPECT_TRUE(picked.insert(*piece).second);
  EXPECT_EQ(picked.size(), geometry.piece_count());
  EXPECT_EQ(picker_.untouched(), 0u);
}

TEST_F(PickerTest, only_what_they_have_is_picked) {
  Bitfield theirs(geometry.piece_count());
  theirs.set(PieceIndex(3));
  EXPECT_EQ(pick(theirs), PieceIndex(3));
  EXPECT_FALSE(pick(theirs));
}

TEST_F(PickerTest, what_a_lost_link_left_half_done_is_finished_first) {
  const PieceIndex piece = *pick(everything());
  picker_.in_hand(piece)->units[0] = PieceInHand::Unit::received;
  picker_.in_hand(piece)->received_units = 1;
  picker_.release(piece);
  EXPECT_TRUE(picker_.has_orphans());
  EXPECT_EQ(pick(everything(), 2), piece);
  EXPECT_FALSE(picker_.has_orphans());
  EXPECT_EQ(picker_.in_hand(piece)->owner, LinkId(2));
}

TEST_F(PickerTest, a_piece_of_which_nothing_came_is_free_again) {
  const PieceIndex piece = *pick(everything());
  picker_.release(piece);
  EXPECT_EQ(picker_.in_hand(piece), nullptr);
  EXPECT_EQ(picker_.untouched(), geometry.piece_count());
}

TEST_F(PickerTest, a_piece_being_verified_cannot_be_released) {
  const PieceIndex piece = *pick(everything());
  picker_.begin_verifying(*picker_.in_hand(piece));
  picker_.release(piece);
  ASSERT_NE(picker_.in_hand(piece), nullptr);
  picker_.mark_have(piece);
  EXPECT_TRUE(picker_.have().test(piece));
  EXPECT_FALSE(picker_.has_orphans());
}

TEST_F(PickerTest, a_wrong_piece_is_missing_as_a_whole) {
  const PieceIndex piece = *pick(everything());
  picker_.begin_verifying(*picker_.in_hand(piece));
  picker_.discard(piece);
  EXPECT_FALSE(picker_.have().test(piece));
  EXPECT_EQ(picker_.untouched(), geometry.piece_count());
}

}  // namespace
}  // namespace murder::swarm
