// The turns of an uplink, in virtual time.
#include "net/upload_turns.hpp"

#include <algorithm>
#include <chrono>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <rapidcheck/gtest.h>
#include <string>
#include <vector>

namespace murder::net {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Connections with names, and who was called.
class Turns {
 public:
  TurnQueue::Turn& operator[](const std::string& name) {
    auto& turn = turns_[name];
    if (!turn) turn = std::make_unique<TurnQueue::Turn>([this, name] { called.push_back(name); });
    return *turn;
  }
  bool ask(const std::string& name) { return queue.may_begin((*this)[name], now); }
  void end(const std::string& name) { queue.end((*this)[name], now); }
  /// As the timer does.
  void pass(Duration time) {
    const Instant until = now + time;
    while (const auto next = queue.next_tick()) {
      if (*next > until) break;
      now = std::max(now, *next);
      queue.tick(now);
    }
    now = until;
  }

  TurnQueue queue;
  Instant now{seconds(1000)};
  std::vector<std::string> called;

 private:
  std::map<std::string, std::unique_ptr<TurnQueue::Turn>> turns_;
};

using Names = std::vector<std::string>;

TEST(UploadTurns, a_few_begin_at_once_and_the_others_wait) {
  Turns turns;
  for (const char* name : {"a", "b", "c", "d"}) EXPECT_TRUE(turns.ask(name)) << name;
  EXPECT_FALSE(turns.ask("e"));
  EXPECT_FALSE(turns.ask("f"));
  EXPECT_FALSE(turns.ask("e")) << "asking again is no way past the others";
  EXPECT_EQ(turns.called, Names{});
}

TEST(UploadTurns, a_block_that_has_left_makes_room_for_the_one_that_waited_longest) {
  Turns turns;
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) turns.ask(name);
  EXPECT_FALSE(turns.ask("b")) << "it goes behind those who wait";
  EXPECT_EQ(turns.called, Names{"e"});
  EXPECT_TRUE(turns.ask("e"));
  turns.end("a");
  EXPECT_EQ(turns.called, (Names{"e", "f"}));
  EXPECT_TRUE(turns.ask("f"));
  turns.end("c");
  EXPECT_EQ(turns.called, (Names{"e", "f", "b"}));
}

TEST(UploadTurns, one_alone_goes_on_as_long_as_it_likes) {
  Turns turns;
  for (int block = 0; block < 100; ++block) {
    EXPECT_TRUE(turns.ask("a"));
    turns.pass(seconds(1));
  }
  EXPECT_FALSE(turns.queue.next_tick()) << "nobody waits, so nothing is to be timed";
}

TEST(UploadTurns, who_is_called_and_goes_away_gives_its_place_on) {
  Turns turns;
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) turns.ask(name);
  turns.end("a");
  ASSERT_EQ(turns.called, Names{"e"});
  turns.end("e");
  EXPECT_EQ(turns.called, (Names{"e", "f"}));
  EXPECT_TRUE(turns.ask("f"));
}

TEST(UploadTurns, the_lowest_rank_goes_first_and_equals_in_turn) {
  Turns turns;
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) {
    turns[name].set_rank(name[0] == 'f' ? 1 : 2);
    turns.ask(name);
  }
  turns.end("a");
  EXPECT_EQ(turns.called, Names{"f"});
  turns.end("b");
  EXPECT_EQ(turns.called, (Names{"f", "e"}));
  ASSERT_TRUE(turns.ask("f"));
  EXPECT_TRUE(turns.ask("f")) << "before those who have waited longer";
  EXPECT_FALSE(turns.ask("e") && turns.ask("e")) << "behind its equal";
  EXPECT_EQ(turns.called, (Names{"f", "e", "g"}));
}

TEST(UploadTurns, who_waits_and_goes_away_is_not_called) {
  Turns turns;
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) turns.ask(name);
  turns.end("e");
  turns.end("a");
  EXPECT_EQ(turns.called, Names{"f"});
}

TEST(UploadTurns, receivers_that_take_nothing_do_not_hold_up_the_others) {
  Turns turns;
  for (const char* name : {"a", "b", "c", "d", "e"}) turns.ask(name);
  turns.pass(milliseconds(600));
  EXPECT_EQ(turns.called, Names{"e"});
  EXPECT_TRUE(turns.ask("e"));
  EXPECT_TRUE(turns.ask("f")) << "stalled ones no longer count";
  EXPECT_FALSE(turns.queue.next_tick());
  EXPECT_TRUE(turns.ask("a")) << "it moves again: a turn like any other";
}

/// 16 KiB at 1 Mbit/s: what the kernel would take of it makes all that follows late.
TEST(UploadTurns, on_a_slow_uplink_turns_last_and_sockets_hold_little) {
  Turns turns;
  turns.queue.begins(16384);
  EXPECT_FALSE(turns.queue.slow()) << "not known yet";
  const Names names{"a", "b", "c", "d", "e", "f"};
  Names order(names.begin(), names.begin() + 4);
  for (const std::string& name : names) turns.ask(name);
  for (int i = 0; i < 50; ++i) {
    turns.pass(milliseconds(131));
    EXPECT_TRUE(turns.called.empty()) << "no turn lapses only because the uplink is slow";
    turns.ask(order.front());
    order.erase(order.begin());
    ASSERT_EQ(turns.called.size(), 1u);
    ASSERT_TRUE(turns.ask(turns.called.back()));
    order.push_back(turns.called.back());
    turns.called.clear();
  }
  EXPECT_TRUE(turns.queue.slow());
  EXPECT_EQ(turns.queue.socket_bytes(Duration::zero()), 4096u);
  // All far away: three round trips of what the uplink carries, or it would never be full.
  const auto far = static_cast<double>(turns.queue.socket_bytes(milliseconds(200)));
  EXPECT_NEAR(far, 0.6 * 125e3 / 4, 300);
  // A short block among long ones says little of the uplink.
  turns.queue.begins(100);
  EXPECT_GT(static_cast<double>(turns.queue.socket_bytes(milliseconds(200))), 0.8 * far);
  EXPECT_EQ(turns.queue.socket_bytes(milliseconds(1)), 4096u)
      << "one is near: the others' have queues in them";
  EXPECT_EQ(turns.queue.socket_bytes(milliseconds(200)), 4096u);
  for (int i = 0; i < 100; ++i) turns.queue.begins(1 << 20);
  EXPECT_FALSE(turns.queue.slow()) << "faster: the kernel knows better";
}

/// Blocks leave one after the other, each `block` after the one before; `slow` never does.
TEST(UploadTurns, patience_follows_the_speed_of_the_uplink) {
  for (const Duration block : {Duration(microseconds(500)), Duration(milliseconds(5))}) {
    Turns turns;
    const Names names{"a", "b", "c", "d", "e", "f", "g"};
    Names order(names.begin(), names.begin() + 4);
    for (const std::string& name : names) turns.ask(name);
    for (int i = 0; i < 200; ++i) {
      turns.pass(block);
      turns.ask(order.front());
      order.erase(order.begin());
      ASSERT_FALSE(turns.called.empty());
      ASSERT_TRUE(turns.ask(turns.called.back()));
      order.push_back(turns.called.back());
      turns.called.clear();
    }
    const auto next = turns.queue.next_tick();
    ASSERT_TRUE(next);
    EXPECT_GT(*next - turns.now, 2 * block);
    EXPECT_LE(*next - turns.now, std::max<Duration>(16 * block, milliseconds(5)));
  }
}

TEST(UploadTurns, one_that_was_slow_is_waited_for_less_until_it_is_not) {
  Turns turns;
  for (const char* name : {"a", "b", "c", "d", "e"}) turns.ask(name);
  // A rhythm of 5 ms; "a" never gets on.
  const auto rhythm = [&] {
    for (int i = 0; i < 60; ++i) {
      turns.pass(milliseconds(5));
      turns.ask("b");
      turns.end("b");
      turns.ask("b");
      turns.ask("e");
    }
  };
  rhythm();
  const Instant lapsed = turns.now;
  ASSERT_TRUE(turns.ask("a"));
  turns.ask("x");
  turns.ask("y");
  turns.ask("z");
  const auto next = turns.queue.next_tick();
  ASSERT_TRUE(next);
  EXPECT_LE(*next - lapsed, milliseconds(40)) << "a quarter of what the others get";
}

/// Whatever happens, in whatever order: nobody is called who did not wait, who is called may begin,
/// and nobody who waits is forgotten.
RC_GTEST_PROP(UploadTurns, nobody_waits_while_there_is_room, ()) {
  Turns turns;
  std::map<std::string, bool> waits;
  const int steps = *rc::gen::inRange(1, 300);
  for (int i = 0; i < steps; ++i) {
    const std::string name(1, static_cast<char>('a' + *rc::gen::inRange(0, 9)));
    const int what = *rc::gen::inRange(0, 10);
    if (what < 6)
      waits[name] = !turns.ask(name);
    else if (what < 9)
      waits[name] = false, turns.end(name);
    else
      turns.pass(milliseconds(*rc::gen::inRange(0, 300)));
    while (!turns.called.empty()) {
      const std::string called = turns.called.back();
      turns.called.pop_back();
      RC_ASSERT(waits[called]);
      waits[called] = false;
      if (*rc::gen::inRange(0, 4) == 0)
        turns.end(called);
      else
        RC_ASSERT(turns.ask(called));
    }
  }
  // Whoever waits is called in the end, even when nobody ever asks again.
  turns.pass(seconds(2));
  for (const std::string& called : turns.called) waits[called] = false;
  for (const auto& [name, still] : waits) RC_ASSERT(!still);
}

}  // namespace
}  // namespace murder::net
