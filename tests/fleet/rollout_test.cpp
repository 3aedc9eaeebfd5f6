#include "fleet/rollout.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <set>

#include "base/error.hpp"

namespace murder::fleet {
namespace {

using Hosts = std::vector<std::size_t>;

RolloutOptions in_waves(const char* waves) {
  RolloutOptions options;
  options.waves = parse_waves(waves, "--waves");
  return options;
}

/// All of the step's hosts switched, those of `unwell` failing after that.
void answer(Rollout& rollout, const Rollout::Step& step, const std::set<std::size_t>& unwell = {}) {
  for (const std::size_t host : step.hosts) {
    if (step.act == Rollout::Act::activate)
      rollout.activated(host, !unwell.contains(host), true);
    else
      rollout.rolled_back(host, true);
  }
}

TEST(Rollout, without_waves_everyone_switches_at_once) {
  Rollout rollout({}, {true, true, true});
  const auto step = rollout.next();
  EXPECT_EQ(step.act, Rollout::Act::activate);
  EXPECT_EQ(step.hosts, (Hosts{0, 1, 2}));
  answer(rollout, step);
  EXPECT_EQ(rollout.next().act, Rollout::Act::done);
  EXPECT_FALSE(rollout.stopped());
}

TEST(Rollout, waves_say_how_many_are_switched_after_each) {
  RolloutOptions options = in_waves("1,25%,100%");
  options.pause = std::chrono::seconds(30);
  Rollout rollout(options, std::vector<bool>(16, true));
  std::vector<std::size_t> sizes;
  std::size_t pauses = 0;
  for (auto step = rollout.next(); step.act != Rollout::Act::done; step = rollout.next()) {
    if (step.act == Rollout::Act::pause) {
      ++pauses;
      continue;
    }
    sizes.push_back(step.hosts.size());
    answer(rollout, step);
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1, 3, 12}));
  EXPECT_EQ(pauses, 2u);
}

TEST(Rollout, the_last_wave_is_everyone_even_when_it_is_not_said) {
  Rollout rollout(in_waves("1,2"), std::vector<bool>(5, true));
  std::size_t switched = 0;
  for (auto step = rollout.next(); step.act != Rollout::Act::done; step = rollout.next()) {
    switched += step.hosts.size();
    answer(rollout, step);
  }
  EXPECT_EQ(switched, 5u);
}

TEST(Rollout, a_host_that_is_unwell_in_the_first_wave_stops_the_second) {
  Rollout rollout(in_waves("1,100%"), std::vector<bool>(4, true));
  answer(rollout, rollout.next(), {0});
  EXPECT_EQ(rollout.next().act, Rollout::Act::done);
  EXPECT_TRUE(rollout.stopped());
  EXPECT_FALSE(rollout.reason().empty());
}

TEST(Rollout, hosts_that_failed_before_stop_nothing_unless_it_is_said) {
  Rollout rollout({}, {true, false, true});
  const auto step = rollout.next();
  EXPECT_EQ(step.hosts, (Hosts{0, 2}));
  answer(rollout, step);
  EXPECT_EQ(rollout.next().act, Rollout::Act::done);
  EXPECT_FALSE(rollout.stopped());

  RolloutOptions strict;
  strict.max_failures = parse_portion("0", "--max-failures");
  Rollout stopped(strict, {true, false, true});
  EXPECT_EQ(stopped.next().act, Rollout::Act::done);
  EXPECT_TRUE(stopped.stopped());
}

TEST(Rollout, what_is_live_already_is_checked_before_the_first_wave) {
  const std::vector<bool> ready = {false, true, true};
  const std::vector<bool> live = {true, false, false};
  Rollout rollout(in_waves("1,100%"), ready, live);
  auto step = rollout.next();
  EXPECT_EQ(step.act, Rollout::Act::check);
  EXPECT_EQ(step.hosts, (Hosts{0}));
  rollout.checked(0, true);
  step = rollout.next();
  EXPECT_EQ(step.act, Rollout::Act::activate);
  EXPECT_EQ(step.hosts, (Hosts{1}));
  answer(rollout, step);
  EXPECT_EQ(rollout.next().hosts, (Hosts{2}));

  RolloutOptions options = in_waves("1,100%");
  options.rollback_on_failure = true;
  Rollout ill(options, ready, live);
  ill.next();
  ill.checked(0, false);
  EXPECT_EQ(ill.next().act, Rollout::Act::done) << "it did not switch that one";
  EXPECT_TRUE(ill.stopped());
  EXPECT_EQ(ill.reason(), "1 of 3 hosts failed");

  options.max_failures = parse_portion("1", "x");
  Rollout borne(options, ready, live);
  borne.next();
  borne.checked(0, false);
  EXPECT_EQ(borne.next().act, Rollout::Act::activate);
}

TEST(Rollout, as_many_failures_as_are_borne_stop_nothing) {
  RolloutOptions options = in_waves("2,4,6");
  options.max_failures = parse_portion("1", "--max-failures");
  Rollout rollout(options, std::vector<bool>(6, true));
  answer(rollout, rollout.next(), {1});
  const auto second = rollout.next();
  EXPECT_EQ(second.hosts, (Hosts{2, 3}));
  answer(rollout, second, {2});
  EXPECT_EQ(rollout.next().act, Rollout::Act::done);
  EXPECT_TRUE(rollout.stopped());
}

TEST(Rollout, going_back_takes_back_all_that_were_switched) {
  RolloutOptions options = in_waves("2,100%");
  options.rollback_on_failure = true;
  Rollout rollout(options, std::vector<bool>(4, true));
  answer(rollout, rollout.next());
  const auto second = rollout.next();
  EXPECT_EQ(second.hosts, (Hosts{2, 3}));
  answer(rollout, second, {3});
  const auto back = rollout.next();
  EXPECT_EQ(back.act, Rollout::Act::roll_back);
  EXPECT_EQ(back.hosts, (Hosts{0, 1, 2, 3}));
  answer(rollout, back);
  EXPECT_EQ(rollout.next().act, Rollout::Act::done);
}

TEST(Rollout, below_the_limit_only_the_unwell_host_goes_back) {
  RolloutOptions options;
  options.rollback_on_failure = true;
  options.max_failures = parse_portion("50%", "--max-failures");
  Rollout rollout(options, std::vector<bool>(4, true));
  answer(rollout, rollout.next(), {2});
  const auto back = rollout.next();
  EXPECT_EQ(back.hosts, (Hosts{2}));
  answer(rollout, back);
  EXPECT_EQ(rollout.next().act, Rollout::Act::done);
  EXPECT_FALSE(rollout.stopped());
}

TEST(Rollout, a_host_whose_first_hook_failed_has_nothing_to_go_back_from) {
  RolloutOptions options;
  options.rollback_on_failure = true;
  Rollout rollout(options, {true, true});
  const auto step = rollout.next();
  rollout.activated(0, false, false);
  rollout.activated(1, true, true);
  const auto back = rollout.next();
  EXPECT_EQ(back.hosts, (Hosts{1}));
  (void)step;
}

TEST(Rollout, stopped_by_hand_leaves_what_is_live) {
  RolloutOptions options = in_waves("1,100%");
  options.rollback_on_failure = true;
  Rollout rollout(options, std::vector<bool>(3, true));
  answer(rollout, rollout.next());
  rollout.stop();
  EXPECT_EQ(rollout.next().act, Rollout::Act::done);
  EXPECT_TRUE(rollout.stopped());
}

TEST(Rollout, portions_are_counts_or_shares) {
  EXPECT_EQ(parse_portion("3", "x").of(100), 3u);
  EXPECT_EQ(parse_portion("10%", "x").of(16), 2u);
  EXPECT_EQ(parse_portion("100%", "x").of(7), 7u);
  EXPECT_EQ(parse_portion("0", "x").of(7), 0u);
  for (const char* bad : {"", "%", "-1", "1.5", "101%", "x", "1x", "nan", "inf", "1%%"})
    EXPECT_THROW(parse_portion(bad, "x"), Error) << bad;
  EXPECT_THROW(parse_waves("1,0", "x"), Error);
  EXPECT_THROW(parse_waves("1,,2", "x"), Error);
}

/// Whatever fails: it ends, nobody is switched twice, and who goes back was switched.
TEST(Rollout, always_ends_and_switches_nobody_twice) {
  rc::check([] {
    const auto count = *rc::gen::inRange<std::size_t>(1, 40);
    RolloutOptions options;
    const auto waves = *rc::gen::inRange(0, 4);
    for (int i = 0; i < waves; ++i)
      options.waves.push_back(
          {static_cast<double>(*rc::gen::inRange(1, 100)), *rc::gen::arbitrary<bool>()});
    options.rollback_on_failure = *rc::gen::arbitrary<bool>();
    if (*rc::gen::arbitrary<bool>())
      options.max_failures = Portion{static_cast<double>(*rc::gen::inRange(0, 100)), true};
    std::vector<bool> ready;
    for (std::size_t i = 0; i < count; ++i) ready.push_back(*rc::gen::inRange(0, 5) > 0);
    Rollout rollout(options, ready);
    std::set<std::size_t> switched;
    std::set<std::size_t> taken;
    for (int steps = 0;; ++steps) {
      RC_ASSERT(steps < 1000);
      const auto step = rollout.next();
      if (step.act == Rollout::Act::done) break;
      for (const std::size_t host : step.hosts) {
        if (step.act == Rollout::Act::activate) {
          RC_ASSERT(ready[host] && taken.insert(host).second);
          const int luck = *rc::gen::inRange(0, 6);
          if (luck > 0) switched.insert(host);
          rollout.activated(host, luck > 1, luck > 0);
        } else {
          RC_ASSERT(switched.erase(host) == 1);
          rollout.rolled_back(host, *rc::gen::inRange(0, 6) > 0);
        }
      }
    }
    if (!rollout.stopped())
      for (std::size_t i = 0; i < count; ++i) RC_ASSERT(!ready[i] || taken.contains(i));
  });
}

}  // namespace
}  // namespace murder::fleet
