#include "swarm/peer_book.hpp"

#include <gtest/gtest.h>

namespace murder::swarm {
namespace {

using namespace std::chrono_literals;
const Instant start{std::chrono::hours(1)};

Endpoint host(std::uint8_t n) { return {IpAddress::v4({10, 0, 0, n}), 8999}; }

TEST(PeerBook, the_trackers_edges_are_dialled_others_only_while_links_are_few) {
  PeerBook book;
  book.add(host(1), false, start);
  book.add(host(2), true, start);
  EXPECT_EQ(book.take_due(start, 10, 10), std::vector{host(2)});
  EXPECT_EQ(book.take_due(start, 3, 10), std::vector{host(1)});
  EXPECT_TRUE(book.take_due(start, 0, 10).empty()) << "already being dialled";
}

TEST(PeerBook, who_is_not_found_is_tried_again_later_and_not_for_ever) {
  PeerBook book;
  book.add(host(1), true, start);
  Instant now = start;
  int dials = 0;
  while (true) {
    const auto due = book.take_due(now, 0, 10);
    if (!due.empty()) {
      ++dials;
      book.dial_failed(host(1), now);
      EXPECT_TRUE(book.take_due(now, 0, 10).empty());
    }
    const auto next = book.next_due(0, 10);
    if (!next) break;
    EXPECT_GT(*next, now);
    now = *next;
  }
  EXPECT_EQ(dials, 6);
  book.add(host(1), true, now);
  EXPECT_EQ(book.take_due(now, 0, 10).size(), 1u) << "named again";
}

TEST(PeerBook, a_lost_link_is_dialled_again) {
  PeerBook book;
  book.add(host(1), true, start);
  book.take_due(start, 0, 10);
  book.connected(host(1));
  book.disconnected(host(1), start);
  EXPECT_TRUE(book.take_due(start, 0, 10).empty());
  EXPECT_EQ(book.take_due(start + 500ms, 0, 10).size(), 1u);
}

TEST(PeerBook, the_banned_are_never_dialled) {
  PeerBook book;
  book.add(host(1), true, start);
  book.ban(host(1));
  book.add(host(1), true, start);
  book.ban(IpAddress::v4({10, 0, 0, 2}));
  book.add(host(2), true, start);
  EXPECT_TRUE(book.take_due(start + 1h, 0, 10).empty());
  EXPECT_TRUE(book.banned(host(1)));
  EXPECT_TRUE(book.banned({IpAddress::v4({10, 0, 0, 2}), 1}));
  EXPECT_FALSE(book.next_due(0, 10));
}

TEST(PeerBook, a_flood_of_addresses_is_bounded) {
  PeerBook book;
  for (int i = 0; i < 20000; ++i)
    book.add(
        {IpAddress::v4({10, 1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}),
         1},
        true, start);
  EXPECT_LE(book.take_due(start, 0, 100000).size(), 4096u);
}

TEST(PeerBook, addresses_that_cannot_be_dialled_are_ignored) {
  PeerBook book;
  book.add({IpAddress::v4({0, 0, 0, 0}), 8999}, true, start);
  book.add({IpAddress::v4({10, 0, 0, 1}), 0}, true, start);
  EXPECT_TRUE(book.take_due(start, 0, 10).empty());
}

}  // namespace
}  // namespace murder::swarm
