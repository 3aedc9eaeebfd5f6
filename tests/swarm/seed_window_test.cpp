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
  SeedWindow window_{geometry, {PieceIndex(9)}};
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
  window_.remove(LinkId(1));
  const auto next = extend(2, 3);
  EXPECT_EQ(next[0], lost[1]);
  EXPECT_EQ(next[1], lost[2]);
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

}  // namespace
}  // namespace murder::swarm
