#include "swarm/seed_window.hpp"

#include <gtest/gtest.h>
#include <set>

namespace murder::swarm {
namespace {

constexpr std::uint32_t piece_bytes = 16 * 1024;
constexpr Geometry geometry{10 * piece_bytes, piece_bytes};
const Instant start{};

class SeedWindowTest : public testing::Test {
 protected:
  static Bitfield everything() {
    Bitfield all(geometry.piece_count());
    all.set_all();
    return all;
  }
  SeedWindow window_{geometry, {PieceIndex(9)}, everything()};
  Bitfield nothing_{geometry.piece_count()};
  std::vector<PieceIndex> extend(std::uint32_t link, std::uint32_t pieces, Instant now = start) {
    return window_.extend(LinkId(link), std::uint64_t{pieces} * piece_bytes, nothing_, now);
  }
  bool sent(std::uint32_t link, PieceIndex piece) {
    return window_.sent(LinkId(link), piece, piece_bytes, start);
  }
};

TEST_F(SeedWindowTest, windows_are_disjoint_and_the_manifest_comes_first) {
  const auto one = extend(1, 3);
  const auto two = extend(2, 3);
  EXPECT_EQ(one, (std::vector{PieceIndex(9), PieceIndex(0), PieceIndex(1)}));
  EXPECT_EQ(two, (std::vector{PieceIndex(2), PieceIndex(3), PieceIndex(4)}));
  EXPECT_TRUE(extend(1, 3).empty());
}

TEST_F(SeedWindowTest, a_piece_that_was_sent_makes_room_for_the_next) {
  const auto shown = extend(1, 2);
  EXPECT_FALSE(sent(1, shown[0]));
  EXPECT_EQ(extend(1, 2).size(), 1u);
}

TEST_F(SeedWindowTest, everything_is_open_once_all_is_out_and_not_before) {
  std::set<PieceIndex> out;
  for (std::uint32_t i = 0; i < geometry.piece_count(); ++i) {
    const auto shown = extend(1, 1);
    ASSERT_EQ(shown.size(), 1u);
    EXPECT_TRUE(out.insert(shown[0]).second);
    EXPECT_FALSE(window_.open());
    EXPECT_EQ(sent(1, shown[0]), i + 1 == geometry.piece_count());
  }
  EXPECT_TRUE(window_.open());
}

TEST_F(SeedWindowTest, what_a_lost_link_had_not_got_is_shown_to_others_first) {
  const auto lost = extend(1, 3);
  sent(1, lost[0]);
  window_.remove(LinkId(1), nothing_);
  const auto next = extend(2, 3);
  EXPECT_EQ(next, lost) << "the first one, too: nobody else has it";
}

TEST_F(SeedWindowTest, what_a_lost_link_had_got_and_others_have_stays_out) {
  const auto lost = extend(1, 3);
  const auto kept = extend(2, 1);
  for (const PieceIndex piece : lost) sent(1, piece);
  sent(2, kept[0]);
  Bitfield elsewhere(geometry.piece_count());
  elsewhere.set(lost[1]);
  window_.remove(LinkId(1), elsewhere);
  EXPECT_EQ(extend(3, 2), (std::vector{lost[0], lost[2]}));
  EXPECT_EQ(extend(3, 10).size(), 6u) << "2 of them shown already, 2 of 10 at others";
}

TEST_F(SeedWindowTest, what_goes_to_a_link_after_it_was_taken_back_is_out) {
  using namespace std::chrono_literals;
  const auto shown = extend(1, 10);
  window_.sent(LinkId(1), shown[0], piece_bytes / 2, start);
  ASSERT_TRUE(window_.take_back(start + 300ms, 3s));
  EXPECT_FALSE(window_.sent(LinkId(1), shown[0], piece_bytes / 2, start + 400ms));
  EXPECT_TRUE(window_.out().test(shown[0])) << "both halves count";
  for (std::size_t i = 1; i < shown.size(); ++i)
    EXPECT_EQ(window_.sent(LinkId(1), shown[i], piece_bytes, start + 400ms), i == 9);
}

TEST_F(SeedWindowTest, what_was_sent_before_it_was_taken_back_counts_when_it_is_shown_again) {
  using namespace std::chrono_literals;
  const auto shown = extend(1, 10);
  window_.sent(LinkId(1), shown[0], piece_bytes / 2, start);
  ASSERT_TRUE(window_.take_back(start + 300ms, 3s));
  window_.sent(LinkId(1), shown[1], piece_bytes, start + 400ms);  // it moves again
  EXPECT_EQ(extend(1, 10, start + 400ms).size(), 9u);
  window_.sent(LinkId(1), shown[0], piece_bytes / 2, start + 500ms);
  EXPECT_TRUE(window_.out().test(shown[0]));
}

TEST_F(SeedWindowTest, what_went_to_one_is_not_kept_for_another) {
  using namespace std::chrono_literals;
  const auto shown = extend(1, 10);
  window_.take_back(start + 300ms, 3s);
  ASSERT_EQ(extend(2, 2, start + 300ms).size(), 2u);
  window_.sent(LinkId(1), shown[0], piece_bytes, start + 400ms);
  EXPECT_EQ(extend(2, 2, start + 400ms).size(), 1u) << "room for the next";
}

TEST_F(SeedWindowTest, what_was_seen_elsewhere_is_not_shown) {
  window_.seen(PieceIndex(9));
  window_.seen(PieceIndex(0));
  EXPECT_EQ(extend(1, 1), std::vector{PieceIndex(1)});
}

TEST_F(SeedWindowTest, a_link_that_takes_nothing_does_not_hold_back_its_window) {
  using namespace std::chrono_literals;
  const auto stuck = extend(1, 3);
  EXPECT_FALSE(window_.take_back(start + 2s, 3s));
  EXPECT_TRUE(window_.take_back(start + 3s, 3s));
  EXPECT_TRUE(extend(1, 3, start + 3s).empty()) << "stalled: it is shown no more";
  std::set<PieceIndex> others;
  for (const PieceIndex piece : extend(2, 10, start + 3s)) others.insert(piece);
  EXPECT_EQ(others.size(), geometry.piece_count());
  for (const PieceIndex piece : stuck) EXPECT_TRUE(others.contains(piece));
}

TEST_F(SeedWindowTest, a_link_whose_turn_has_not_come_on_a_slow_uplink_is_not_stalled) {
  using namespace std::chrono_literals;
  extend(1, 1);
  Instant now = start;
  for (std::uint32_t i = 0; i < 3; ++i) {  // others are served, a piece in two seconds
    now += 2s;
    const auto shown = extend(2, 1, now);
    ASSERT_EQ(shown.size(), 1u);
    window_.sent(LinkId(2), shown[0], piece_bytes, now);
    EXPECT_FALSE(window_.take_back(now, 3s));
  }
  EXPECT_TRUE(window_.take_back(now + 3s, 3s)) << "nobody is served: it is not for lack of a turn";
}

TEST_F(SeedWindowTest, a_link_that_lets_many_turns_pass_is_stalled) {
  using namespace std::chrono_literals;
  extend(1, 1);
  Instant now = start;
  for (std::uint32_t i = 0; i < 8; ++i) {
    now += 400ms;
    const auto shown = extend(2, 1, now);
    ASSERT_EQ(shown.size(), 1u);
    window_.sent(LinkId(2), shown[0], piece_bytes, now);
  }
  EXPECT_TRUE(window_.take_back(now, 3s)) << "eight pieces went to the other one of two";
}

TEST_F(SeedWindowTest, a_stalled_link_that_got_something_elsewhere_is_shown_more_again) {
  using namespace std::chrono_literals;
  extend(1, 3);
  window_.take_back(start + 3s, 3s);
  ASSERT_TRUE(extend(1, 3, start + 3s).empty());
  window_.moved(LinkId(1));
  EXPECT_EQ(extend(1, 3, start + 4s).size(), 3u);
}

TEST_F(SeedWindowTest, near_the_end_patience_is_short) {
  using namespace std::chrono_literals;
  extend(1, 10);
  EXPECT_TRUE(window_.take_back(start + 300ms, 3s));
}

/// A seeder that has nothing yet.
class FedSeedWindow : public SeedWindowTest {
 protected:
  void SetUp() override { window_ = SeedWindow(geometry, {PieceIndex(9)}, nothing_); }
};

TEST_F(FedSeedWindow, a_piece_is_shown_when_it_is_here_and_not_before) {
  EXPECT_TRUE(extend(1, 3).empty());
  window_.add(PieceIndex(4), false);
  EXPECT_EQ(extend(1, 3), std::vector{PieceIndex(4)});
  EXPECT_TRUE(extend(2, 3).empty()) << "to one alone";
}

TEST_F(FedSeedWindow, what_comes_goes_to_the_link_that_has_least_to_get_and_waited_longest) {
  for (const std::uint32_t link : {1, 2, 3}) extend(link, 3);
  std::vector<LinkId> order;
  for (std::uint32_t piece = 0; piece < 4; ++piece) {
    window_.add(PieceIndex(piece), false);
    const auto link = window_.neediest();
    ASSERT_TRUE(link);
    order.push_back(*link);
    EXPECT_EQ(extend(link->value(), 3).size(), 1u);
  }
  EXPECT_EQ(order, (std::vector{LinkId(1), LinkId(2), LinkId(3), LinkId(1)}));
  sent(2, PieceIndex(1));
  window_.add(PieceIndex(4), false);
  EXPECT_EQ(window_.neediest(), LinkId(2));
}

TEST_F(FedSeedWindow, a_link_that_takes_nothing_is_not_the_next_one) {
  using namespace std::chrono_literals;
  for (const std::uint32_t link : {1, 2}) extend(link, 3);
  window_.add(PieceIndex(0), false);
  extend(1, 3);
  EXPECT_FALSE(window_.take_back(start + 2s, 3s)) << "short patience is for when all is here";
  EXPECT_TRUE(window_.take_back(start + 3s, 3s));
  EXPECT_EQ(window_.neediest(), LinkId(2));
}

TEST_F(FedSeedWindow, opens_only_when_every_piece_of_the_torrent_is_out) {
  extend(1, 1);
  std::set<PieceIndex> shown;
  for (std::uint32_t i = 0; i < geometry.piece_count(); ++i) {
    EXPECT_FALSE(window_.open());
    EXPECT_TRUE(window_.idle());
    window_.add(PieceIndex(i), false);
    EXPECT_FALSE(window_.idle());
    for (const PieceIndex piece : extend(1, 1)) {
      EXPECT_TRUE(shown.insert(piece).second) << "each leaves once before any leaves twice";
      sent(1, piece);
    }
  }
  EXPECT_TRUE(window_.open());
  EXPECT_FALSE(window_.idle()) << "nothing more is to come";
}

TEST_F(FedSeedWindow, what_others_have_is_out_before_it_is_here) {
  window_.seen(PieceIndex(2));
  window_.add(PieceIndex(2), false);
  EXPECT_TRUE(extend(1, 3).empty());
  EXPECT_TRUE(window_.idle());
}

TEST_F(FedSeedWindow, what_was_seen_at_one_who_has_gone_leaves_again) {
  window_.seen(PieceIndex(2));
  window_.add(PieceIndex(2), true);
  EXPECT_EQ(extend(1, 3), std::vector{PieceIndex(2)});
}

TEST_F(FedSeedWindow, the_manifest_goes_before_what_waits) {
  extend(1, 1);
  for (std::uint32_t piece = 0; piece < 3; ++piece) window_.add(PieceIndex(piece), false);
  window_.add(PieceIndex(9), false);
  EXPECT_EQ(extend(1, 1), std::vector{PieceIndex(9)});
}

TEST(SeedWindow, what_it_begins_with_is_shown_and_the_rest_when_it_comes) {
  Bitfield some(geometry.piece_count());
  some.set(PieceIndex(9));
  some.set(PieceIndex(5));
  SeedWindow window(geometry, {PieceIndex(8), PieceIndex(9)}, some);
  EXPECT_EQ(window.extend(LinkId(1), geometry.length, Bitfield(geometry.piece_count()), start),
            (std::vector{PieceIndex(9), PieceIndex(5)}));
}

}  // namespace
}  // namespace murder::swarm
