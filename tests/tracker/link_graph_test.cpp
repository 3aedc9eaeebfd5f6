// The plan itself, where an announce does not show it: what is forgotten, and what is never given.
#include "tracker/link_graph.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace murder::tracker {
namespace {

constexpr bool joining = true;
constexpr bool again = false;

TEST(SlotSet, keeps_members_however_they_come_and_go) {
  SlotSet set;
  std::set<std::uint32_t> expected;
  Random random(1);
  for (int i = 0; i < 5000; ++i) {
    const auto n = static_cast<std::uint32_t>(random.below(100));
    if (random.below(2) == 0) {
      set.insert(Slot(n));
      expected.insert(n);
    } else {
      set.erase(Slot(n));
      expected.erase(n);
    }
    ASSERT_EQ(set.size(), expected.size());
    for (const Slot slot : set.items()) ASSERT_EQ(expected.count(slot.value()), 1u);
    ASSERT_TRUE(set.empty() || set.contains(set.draw(random)));
  }
}

class LinkGraphTest : public ::testing::Test {
 protected:
  void join(std::uint32_t first, std::uint32_t last) {
    for (std::uint32_t n = first; n < last; ++n) {
      graph.add(Slot(n), NodeKind::host, 0);
      graph.plan(Slot(n), joining, random);
    }
  }
  LinkGraph graph{10, 8, 0};
  Random random{3};
};

TEST_F(LinkGraphTest, a_host_that_keeps_losing_its_links_is_not_planned_ever_more) {
  join(0, 300);
  for (int i = 0; i < 100; ++i) {
    graph.report(Slot(7), 0);
    graph.plan(Slot(7), again, random);
    ASSERT_LE(graph.host_links(Slot(7)), 12u);
  }
  std::uint32_t planned = 0;
  for (std::uint32_t n = 0; n < 300; ++n) planned += graph.host_links(Slot(n));
  EXPECT_LE(planned, 300u * 10 + 2 * 12) << "what it lost is given back on both sides";
}

TEST_F(LinkGraphTest, links_that_are_there_are_not_forgotten) {
  join(0, 300);
  graph.report(Slot(7), 4);
  const std::uint32_t before = graph.host_links(Slot(7));
  const std::vector<Slot> given = graph.plan(Slot(7), again, random);
  EXPECT_EQ(given.size(), 5u);
  EXPECT_GE(graph.host_links(Slot(7)), std::min(before + 5, 4u + 5u));
}

TEST_F(LinkGraphTest, what_is_forgotten_as_lost_is_not_given_again_at_once) {
  std::vector<Slot> links;  // planned for host 0, oldest first
  for (std::uint32_t n = 0; n < 24; ++n) {
    graph.add(Slot(n), NodeKind::host, 0);
    for (const Slot other : graph.plan(Slot(n), joining, random))
      if (other == Slot(0)) links.push_back(Slot(n));
  }
  for (int i = 0; i < 50; ++i) {
    graph.report(Slot(0), 0);
    ASSERT_EQ(graph.host_links(Slot(0)), links.size());
    const std::vector<Slot> given = graph.plan(Slot(0), again, random);
    ASSERT_EQ(given.size(), 5u);
    // Before five more than twelve are planned the oldest go; they, and those kept, are no news.
    for (const Slot slot : given) ASSERT_EQ(std::count(links.begin(), links.end(), slot), 0);
    if (links.size() > 7) links.erase(links.begin(), links.end() - 7);
    links.insert(links.end(), given.begin(), given.end());
  }
}

/// Places that hosts `first` to `last` were given at the seeder, which is slot 1000.
std::uint32_t places_given(LinkGraph& graph, std::uint32_t first, std::uint32_t last, bool joins,
                           Random& random) {
  std::uint32_t given = 0;
  for (std::uint32_t n = first; n < last; ++n) {
    if (joins) graph.add(Slot(n), NodeKind::host, 0);
    const std::vector<Slot> dial = graph.plan(Slot(n), joins, random);
    given += static_cast<std::uint32_t>(std::count(dial.begin(), dial.end(), Slot(1000)));
  }
  return given;
}

TEST(LinkGraph, the_seeders_places_are_spread_over_the_hosts_that_are_expected) {
  Random random(5);
  LinkGraph graph(10, 32, 640);
  graph.add(Slot(1000), NodeKind::seeder, 0);
  EXPECT_EQ(places_given(graph, 0, 64, true, random), 8u) << "some at once";
  EXPECT_EQ(places_given(graph, 0, 64, false, random), 0u) << "others are still to come";
  EXPECT_EQ(places_given(graph, 64, 320, true, random), 9u) << "half of them, then";
  EXPECT_EQ(places_given(graph, 320, 640, true, random), 15u);
}

TEST(LinkGraph, hosts_that_do_not_come_keep_no_place_from_those_that_did) {
  Random random(5);
  LinkGraph graph(10, 32, 640);
  graph.add(Slot(1000), NodeKind::seeder, 0);
  EXPECT_EQ(places_given(graph, 0, 64, true, random), 8u);
  EXPECT_EQ(places_given(graph, 0, 64, false, random), 0u);
  EXPECT_EQ(places_given(graph, 0, 64, false, random), 24u) << "all asked again, none has come";
}

TEST(LinkGraph, few_hosts_all_have_a_place_at_once) {
  Random random(5);
  for (const std::uint32_t expected : {0u, 8u, 32u}) {
    LinkGraph graph(10, 32, expected);
    graph.add(Slot(1000), NodeKind::seeder, 0);
    EXPECT_EQ(places_given(graph, 0, 32, true, random), 32u) << expected;
  }
}

TEST_F(LinkGraphTest, removing_everyone_leaves_nothing_behind) {
  graph.add(Slot(500), NodeKind::seeder, 0);
  graph.add(Slot(501), NodeKind::stock_seed, 0);
  join(0, 100);
  for (std::uint32_t n = 0; n < 100; n += 2) graph.remove(Slot(n));
  graph.remove(Slot(0));
  for (std::uint32_t n = 1; n < 100; n += 2) graph.remove(Slot(n));
  EXPECT_EQ(graph.host_links(Slot(500)), 0u);
  EXPECT_EQ(graph.host_links(Slot(501)), 0u);
  graph.add(Slot(0), NodeKind::host, 0);
  const std::vector<Slot> given = graph.plan(Slot(0), joining, random);
  EXPECT_EQ(given.size(), 2u) << "the seeder and the stock seed have places, no host is left";
}

TEST_F(LinkGraphTest, a_reused_slot_knows_nothing_of_its_former_user) {
  join(0, 50);
  graph.remove(Slot(20));
  graph.add(Slot(20), NodeKind::host, 0);
  EXPECT_EQ(graph.host_links(Slot(20)), 0u);
  const std::vector<Slot> given = graph.plan(Slot(20), joining, random);
  EXPECT_EQ(given.size(), 5u);
  EXPECT_EQ(std::count(given.begin(), given.end(), Slot(20)), 0);
}

}  // namespace
}  // namespace murder::tracker
