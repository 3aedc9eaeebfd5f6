#include "events/event.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <nlohmann/json.hpp>

#include "events/samples.hpp"

namespace murder::events {
namespace {

using nlohmann::json;

TEST(Event, every_kind_is_one_line_of_json_with_the_common_fields_first) {
  for (const Event& event : one_of_each()) {
    const std::string line = to_json_line(event, 12.5);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_EQ(line.rfind("{\"schema\":1,\"t\":12.5,\"event\":\"", 0), 0u) << line;
    const json parsed = json::parse(line);
    EXPECT_EQ(parsed["event"], event_name(event));
  }
}

TEST(Event, values_arrive_as_they_were_given) {
  const json line = json::parse(to_json_line(
      Started{"peer", "v1", *InfoHash::from_hex("c12fe1c06bba254a9dc9f519b335aa7c1367a88a"),
              std::numeric_limits<std::uint64_t>::max(), 7, "pack"},
      0.1));
  EXPECT_EQ(line["size_bytes"].get<std::uint64_t>(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(line["info_hash"], "c12fe1c06bba254a9dc9f519b335aa7c1367a88a");
  EXPECT_EQ(line["t"].get<double>(), 0.1);

  Progress progress;
  EXPECT_FALSE(json::parse(to_json_line(progress, 0)).contains("seconds_left"));
  progress.seconds_left = 0;
  EXPECT_EQ(json::parse(to_json_line(progress, 0))["seconds_left"], 0.0);

  EXPECT_FALSE(
      json::parse(to_json_line(HostChanged{"web-1", "staged", "", ""}, 0)).contains("phase"));
  HostReport host;
  EXPECT_FALSE(json::parse(to_json_line(host, 0)).contains("staged_s"));
  EXPECT_EQ(json::parse(to_json_line(host, 0))["notes"], json::array());
  host.staged_s = 0;
  EXPECT_EQ(json::parse(to_json_line(host, 0))["staged_s"], 0.0);

  const json fleet = json::parse(to_json_line(Fleet{.slowest = {{"a", 1.5}, {"b", 2}}}, 0));
  EXPECT_EQ(fleet["slowest"][1]["name"], "b");
  EXPECT_EQ(json::parse(to_json_line(Fleet{}, 0))["slowest"], json::array());
}

TEST(Event, errors_carry_their_exit_status) {
  const auto check = [](ErrorKind kind, std::string_view name, int exit) {
    const json line = json::parse(to_json_line(ErrorEvent{kind, "it broke"}, 0));
    EXPECT_EQ(line["kind"], name);
    EXPECT_EQ(line["exit"], exit);
  };
  check(ErrorKind::failed, "failed", 1);
  check(ErrorKind::usage, "usage", 2);
  check(ErrorKind::partial, "partial", 3);
  check(ErrorKind::unreachable, "unreachable", 4);
  check(ErrorKind::integrity, "integrity", 5);
  check(ErrorKind::interrupted, "interrupted", 130);
  check(ErrorKind::terminated, "terminated", 143);
}

TEST(Event, texts_that_are_not_utf_8_do_no_harm) {
  const std::string bytes("a\xff\xfe\xc3(\xe2\x82\n\t\"\0\x1b[31m", 16);
  Summary summary;
  summary.fields.emplace_back(bytes, bytes);
  for (const Event& event : {Event(Staged{.tag = bytes, .path = bytes}), Event(Warning{bytes}),
                             Event(Fleet{.slowest = {{bytes, 1}}}), Event(summary)}) {
    const std::string line = to_json_line(event, 1);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
    EXPECT_TRUE(json::accept(line)) << line;
  }
  const json staged = json::parse(to_json_line(Staged{"v1", "a\xffz"}, 1));
  EXPECT_EQ(staged["path"], "a\xef\xbf\xbdz");
}

TEST(Event, numbers_that_are_not_finite_are_null) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(json::parse(to_json_line(Complete{.tag = "v1", .seconds = infinity}, 0))["seconds"]
                  .is_null());
  EXPECT_TRUE(
      json::parse(to_json_line(Complete{.tag = "v1", .seconds = std::nan("")}, 0))["seconds"]
          .is_null());
  const json huge = json::parse(to_json_line(Complete{.tag = "v1", .seconds = 1e300}, 0));
  EXPECT_EQ(huge["seconds"], 1e300);
}

TEST(Event, a_summary_cannot_overwrite_the_common_fields) {
  Summary summary;
  summary.fields = {{"event", "forged"},    {"schema", std::uint64_t{9}}, {"t", 0.5},
                    {"last_ratio", 1.0625}, {"hosts", std::uint64_t{64}}, {"link", "50 Mbit/s"}};
  EXPECT_EQ(to_json_line(summary, 3),
            R"({"schema":1,"t":3.0,"event":"summary","last_ratio":1.0625,"hosts":64,)"
            R"("link":"50 Mbit/s"})");
}

}  // namespace
}  // namespace murder::events
