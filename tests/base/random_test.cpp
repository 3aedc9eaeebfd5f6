#include "base/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

namespace murder {
namespace {

TEST(Random, gives_the_same_numbers_for_the_same_seed_everywhere) {
  // A seed is all that a report of a simulated fault carries. From seed 0 these are the numbers
  // that other implementations of splitmix64 and xoshiro256** publish.
  Random zero(0);
  EXPECT_EQ(zero.next(), 0x99ec5f36cb75f2b4u);
  EXPECT_EQ(zero.next(), 0xbf6e1f784956452au);
  EXPECT_EQ(zero.next(), 0x1a5f849d4933e6e0u);
  EXPECT_EQ(zero.next(), 0x6aa594f1262d2d2cu);

  Random random(12345);
  Random same = random;
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(random.next(), same.next());
}

TEST(Random, gives_other_numbers_for_another_seed_and_from_the_system) {
  EXPECT_NE(Random(1).next(), Random(2).next());
  EXPECT_NE(Random::from_system().next(), Random::from_system().next());
}

TEST(Random, below_stays_below_and_is_even) {
  Random random(5);
  EXPECT_EQ(random.below(1), 0u);
  std::array<int, 10> seen{};
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t n = random.below(10);
    ASSERT_LT(n, 10u);
    ++seen[n];
  }
  for (const int count : seen) EXPECT_NEAR(count, 10'000, 500);  // five standard deviations
  for (int i = 0; i < 1000; ++i) ASSERT_LT(random.below(UINT64_MAX), UINT64_MAX);
}

TEST(Random, unit_is_in_0_to_1_without_1) {
  Random random(6);
  double sum = 0;
  for (int i = 0; i < 100'000; ++i) {
    const double u = random.unit();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
  }
  EXPECT_NEAR(sum / 100'000, 0.5, 0.005);
}

TEST(Random, shuffle_keeps_everything_and_every_order_is_as_likely) {
  Random random(7);
  std::array<int, 6> orders{};
  for (int i = 0; i < 60'000; ++i) {
    std::vector<int> items{0, 1, 2};
    random.shuffle(items);
    std::vector<int> order{0, 1, 2};
    int index = 0;
    while (order != items) {
      ASSERT_TRUE(std::next_permutation(order.begin(), order.end()));
      ++index;
    }
    ++orders[static_cast<std::size_t>(index)];
  }
  for (const int count : orders) EXPECT_NEAR(count, 10'000, 500);

  std::vector<int> none;
  random.shuffle(none);
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace murder
