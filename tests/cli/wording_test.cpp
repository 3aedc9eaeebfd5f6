#include "cli/wording.hpp"

#include <gtest/gtest.h>

namespace murder::cli {
namespace {

const events::Progress half{.tag = "v7",
                            .have_bytes = 9'300'000,
                            .total_bytes = 14'700'000,
                            .down_bytes_per_s = 5'200'000,
                            .up_bytes_per_s = 6'000'000,
                            .links = 11,
                            .seconds_left = 1.04,
                            .unpacked_bytes = 0};

TEST(Wording, progress_has_percent_bytes_rate_links_and_time_left) {
  EXPECT_EQ(progress_line(half, Phase::fetching),
            "v7  63 %  9.3 MB of 14.7 MB  41.6 Mbit/s  11 links  1.0 s left");
  events::Progress stuck = half;
  stuck.down_bytes_per_s = 0;
  stuck.links = 1;
  stuck.seconds_left.reset();
  EXPECT_EQ(progress_line(stuck, Phase::fetching), "v7  63 %  9.3 MB of 14.7 MB  0 kbit/s  1 link");
}

TEST(Wording, a_hundred_percent_is_not_said_before_all_is_here) {
  events::Progress nearly = half;
  nearly.have_bytes = nearly.total_bytes - 1;
  EXPECT_NE(progress_line(nearly, Phase::fetching).find(" 99 % "), std::string::npos);
}

TEST(Wording, progress_of_one_that_has_all_tells_what_it_does) {
  events::Progress whole = half;
  whole.have_bytes = whole.total_bytes;
  whole.unpacked_bytes = 33'500'000;
  EXPECT_EQ(progress_line(whole, Phase::unpacking), "v7  complete, unpacking: 33.5 MB written");
  EXPECT_EQ(progress_line(whole, Phase::serving), "v7  serving  48 Mbit/s  11 links");
  whole.unpacked_bytes = 0;  // with --file-only nothing is unpacked
  EXPECT_EQ(progress_line(whole, Phase::unpacking), "v7  serving  48 Mbit/s  11 links");
}

TEST(Wording, time_left_that_no_duration_can_hold_is_no_trouble) {
  events::Progress slow = half;
  slow.seconds_left = 1e30;
  EXPECT_NE(progress_line(slow, Phase::fetching).find(" left"), std::string::npos);
}

TEST(Wording, phases_follow_the_events_of_peers_and_seeders) {
  events::Started started;
  started.command = "seed";
  EXPECT_EQ(phase_after(Phase::fetching, started), Phase::serving);
  started.command = "peer";
  Phase phase = phase_after(Phase::serving, started);
  EXPECT_EQ(phase, Phase::fetching);
  phase = phase_after(phase, half);
  EXPECT_EQ(phase, Phase::fetching);
  phase = phase_after(phase, events::Complete{});
  EXPECT_EQ(phase, Phase::unpacking);
  phase = phase_after(phase, events::Staged{});
  EXPECT_EQ(phase, Phase::serving);
  // A peer that had it staged before says so first.
  EXPECT_EQ(phase_after(phase, events::Complete{}), Phase::serving);
}

TEST(Wording, no_sentence_has_json_in_it) {
  const std::vector<events::Event> all{events::Started{},
                                       events::Listening{},
                                       events::TrackerState{.url = "u", .ok = true, .reason = ""},
                                       events::Complete{},
                                       events::Staged{},
                                       events::Activated{},
                                       events::RolledBack{},
                                       events::Packed{},
                                       events::SwarmComplete{},
                                       events::Warning{"w"}};
  for (const events::Event& event : all) {
    const std::string words = sentence(event);
    EXPECT_FALSE(words.empty()) << events::event_name(event);
    EXPECT_EQ(words.find_first_of("{}\n"), std::string::npos) << words;
  }
}

TEST(Wording, what_is_shown_otherwise_has_no_sentence) {
  for (const events::Event& event :
       {events::Event(half), events::Event(events::Fleet{}), events::Event(events::Release{}),
        events::Event(events::Drifted{}), events::Event(events::ErrorEvent{}),
        events::Event(events::PeerBanned{}), events::Event(events::Summary{}),
        events::Event(events::TrackerState{.url = "u", .ok = false, .reason = "silent"})})
    EXPECT_EQ(sentence(event), "") << events::event_name(event);
}

TEST(Wording, sentences_carry_units_and_names) {
  EXPECT_EQ(sentence(events::Complete{.tag = "v7",
                                      .seconds = 2.587,
                                      .downloaded_bytes = 14'000'000,
                                      .uploaded_bytes = 13'100'000,
                                      .resumed_bytes = 700'000}),
            "v7 is complete and verified after 2.6 s: 14.0 MB received, 700 kB were here before, "
            "13.1 MB passed on");
  EXPECT_EQ(sentence(events::Activated{"v7", "v6"}), "v7 is live, instead of v6");
  EXPECT_EQ(sentence(events::Activated{"v7", ""}), "v7 is live");
  EXPECT_EQ(sentence(events::SwarmComplete{1, 3}), "everyone has it: 1 host");
}

TEST(Wording, names_from_outside_cannot_steer_the_terminal) {
  EXPECT_EQ(sentence(events::Activated{"v7\x1b[2J", ""}).find('\x1b'), std::string::npos);
  events::Progress evil = half;
  evil.tag = "\x1b]0;title\x07";
  EXPECT_EQ(progress_line(evil, Phase::fetching).find('\x1b'), std::string::npos);
  EXPECT_EQ(drift_line({"v7", "a\nb", "added", ""}), "added    a\\x0ab\n");
}

TEST(Wording, a_fleet_tells_of_failures_only_when_there_are_some) {
  EXPECT_EQ(fleet_line({.hosts = 64, .complete = 12, .staged = 0, .failed = 0, .slowest = {}}),
            "12 of 64 hosts complete");
  EXPECT_EQ(fleet_line({.hosts = 64, .complete = 12, .staged = 0, .failed = 1, .slowest = {}}),
            "12 of 64 hosts complete, 1 failed");
}

TEST(Wording, data_is_a_line_each) {
  events::Packed packed;
  packed.tag = "v7";
  packed.path = "out/v7.tar.zst";
  packed.torrent = "out/v7.torrent";
  EXPECT_EQ(packed_lines(packed), "tag v7\npayload out/v7.tar.zst\ntorrent out/v7.torrent\n");
  packed.magnet = "magnet:?xt=urn:btih:c12f";
  EXPECT_TRUE(packed_lines(packed).ends_with("\nmagnet magnet:?xt=urn:btih:c12f\n"));
  EXPECT_EQ(drift_line({"v7", "bin/app", "mode", "mode 0644, not 0755"}),
            "mode     bin/app: mode 0644, not 0755\n");
}

TEST(Wording, releases_are_a_table_as_wide_as_the_longest_tag) {
  EXPECT_EQ(release_table({{"release-2025-10-09", true, false, 1'760'000'000},
                           {"v6", false, false, 0},
                           {"v8", false, true, 0}}),
            "TAG                 STATE    STAGED\n"
            "release-2025-10-09  live     2025-10-09 08:53:20 UTC\n"
            "v6                  staged   -\n"
            "v8                  partial  -\n");
  EXPECT_EQ(release_table({}), "TAG  STATE    STAGED\n");
}

}  // namespace
}  // namespace murder::cli
