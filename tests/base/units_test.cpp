#include "base/units.hpp"

#include <gtest/gtest.h>
#include <unordered_set>

#include "base/error.hpp"

namespace murder {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

/// The message of the usage error that `parse(text)` must throw.
template <class Parse>
std::string refusal(Parse parse, std::string_view text) {
  try {
    parse(text, "--option");
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    return e.what();
  }
  ADD_FAILURE() << "'" << text << "' was taken";
  return {};
}

TEST(ParseBytes, knows_decimal_and_binary_units) {
  const auto parse = [](std::string_view text) { return parse_bytes(text, "--size"); };
  EXPECT_EQ(parse("0"), 0u);
  EXPECT_EQ(parse("512"), 512u);
  EXPECT_EQ(parse("512B"), 512u);
  EXPECT_EQ(parse("200MB"), 200'000'000u);
  EXPECT_EQ(parse("200M"), 200'000'000u);
  EXPECT_EQ(parse("200 MB"), 200'000'000u);
  EXPECT_EQ(parse("1k"), 1000u);
  EXPECT_EQ(parse("8MiB"), 8_MiB);
  EXPECT_EQ(parse("2GiB"), 2_GiB);
  EXPECT_EQ(parse("1.5KiB"), 1536u);
  EXPECT_EQ(parse("3TB"), 3'000'000'000'000u);
  EXPECT_EQ(parse("1TiB"), 1024_GiB);
}

TEST(ParseBytes, loses_no_byte_to_rounding) {
  EXPECT_EQ(parse_bytes("4.35MB", "x"), 4'350'000u);
  EXPECT_EQ(parse_bytes("0.29kB", "x"), 290u);
  EXPECT_EQ(parse_bytes("1.001GB", "x"), 1'001'000'000u);
  EXPECT_EQ(parse_bytes("8.7MB", "x"), 8'700'000u);
  EXPECT_EQ(parse_bytes("2.3kB", "x"), 2300u);
  EXPECT_EQ(parse_bytes("9007199254740993", "x"), 9'007'199'254'740'993u);
  EXPECT_EQ(parse_bytes("8999999999999999999", "x"), 8'999'999'999'999'999'999u);
}

TEST(ParseBytes, refuses_everything_else_and_says_what_it_wants) {
  const auto parse = [](auto... a) { parse_bytes(a...); };
  for (const char* bad : {"",
                          " ",
                          "MB",
                          "-1",
                          "-0",
                          "-0MB",
                          "+5",
                          "5 5",
                          "5MBit",
                          "5mb",
                          "0x10",
                          "1e3",
                          "1e3MB",
                          "nan",
                          "inf",
                          "infMB",
                          "1,5MB",
                          " 5",
                          "5MB ",
                          "9223372036854775808",
                          "9.1e18",
                          "100000000TB",
                          "999999999999999999999999999999999999",
                          "5\xff"}) {
    const std::string message = refusal(parse, bad);
    EXPECT_EQ(message.rfind("--option: ", 0), 0u) << message;
    EXPECT_NE(message.find("200MB"), std::string::npos) << message;
  }
  refusal(parse, std::string_view("5\0MB", 4));
}

TEST(ParseRate, is_in_bits_or_bytes_as_written) {
  const auto parse = [](std::string_view text) {
    return parse_rate(text, "--link").bytes_per_second;
  };
  EXPECT_DOUBLE_EQ(parse("50Mbit"), 6.25e6);
  EXPECT_DOUBLE_EQ(parse("50Mbit/s"), 6.25e6);
  EXPECT_DOUBLE_EQ(parse("1Gbit"), 125e6);
  EXPECT_DOUBLE_EQ(parse("500kbit"), 62500);
  EXPECT_DOUBLE_EQ(parse("2.5Gbit"), 312.5e6);
  EXPECT_DOUBLE_EQ(parse("10MB/s"), 10e6);
  EXPECT_DOUBLE_EQ(parse("8bit"), 1);
}

TEST(ParseRate, refuses_nothing_infinity_and_what_has_no_unit) {
  const auto parse = [](auto... a) { parse_rate(a...); };
  for (const char* bad : {"", "0Mbit", "-1Mbit", "50", "50M", "50MB", "Mbit", "infGbit", "nanGbit",
                          "99999999999Gbit", "1e9Gbit"})
    refusal(parse, bad);
  refusal(parse, std::string(300, '9') + "Gbit");
}

TEST(ParseDuration, takes_bare_numbers_as_seconds) {
  const auto parse = [](std::string_view text) { return parse_duration(text, "--wait"); };
  EXPECT_EQ(parse("30"), seconds(30));
  EXPECT_EQ(parse("30s"), seconds(30));
  EXPECT_EQ(parse("0"), seconds(0));
  EXPECT_EQ(parse("200ms"), milliseconds(200));
  EXPECT_EQ(parse("1.5s"), milliseconds(1500));
  EXPECT_EQ(parse("5m"), seconds(300));
  EXPECT_EQ(parse("5min"), seconds(300));
  EXPECT_EQ(parse("1h"), seconds(3600));
  EXPECT_EQ(parse("2d"), seconds(172800));
}

TEST(ParseDuration, refuses_what_is_none_or_would_overflow) {
  const auto parse = [](auto... a) { parse_duration(a...); };
  for (const char* bad : {"", "s", "-1s", "5 minutes", "5M", "1:30", "inf", "1000000001", "99999d"})
    refusal(parse, bad);
}

TEST(Format, sizes_have_three_figures_and_never_1000_of_a_unit) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.0 kB");
  EXPECT_EQ(format_bytes(99'949), "99.9 kB");
  EXPECT_EQ(format_bytes(99'950), "100 kB");
  EXPECT_EQ(format_bytes(235'600), "236 kB");
  EXPECT_EQ(format_bytes(999'499), "999 kB");
  EXPECT_EQ(format_bytes(999'500), "1.0 MB");
  EXPECT_EQ(format_bytes(14'700'000), "14.7 MB");
  EXPECT_EQ(format_bytes(2_GiB), "2.1 GB");
  EXPECT_EQ(format_bytes(UINT64_MAX), "18446744 TB");
}

TEST(Format, rates_have_three_figures_and_never_an_exponent) {
  const auto bits = [](double n) { return format_rate(Rate{n / 8}); };
  EXPECT_EQ(bits(0), "0 kbit/s");
  EXPECT_EQ(bits(0.01), "0 kbit/s");
  EXPECT_EQ(bits(1500), "1.5 kbit/s");
  EXPECT_EQ(bits(50e6), "50 Mbit/s");
  EXPECT_EQ(bits(999.4e3), "999 kbit/s");
  EXPECT_EQ(bits(999.6e3), "1 Mbit/s");
  EXPECT_EQ(bits(999.9e6), "1 Gbit/s");
  EXPECT_EQ(bits(2.5e9), "2.5 Gbit/s");
  EXPECT_EQ(bits(1.2e12), "1.2 Tbit/s");
  EXPECT_EQ(bits(8e15), "8000 Tbit/s");
}

TEST(Format, durations_are_as_people_say_them) {
  EXPECT_EQ(format_duration(seconds(0)), "0 ms");
  EXPECT_EQ(format_duration(milliseconds(41)), "41 ms");
  EXPECT_EQ(format_duration(milliseconds(999)), "999 ms");
  EXPECT_EQ(format_duration(nanoseconds(999'600'000)), "1.0 s");
  EXPECT_EQ(format_duration(milliseconds(3210)), "3.2 s");
  EXPECT_EQ(format_duration(milliseconds(99'940)), "99.9 s");
  EXPECT_EQ(format_duration(milliseconds(99'960)), "1 m 40 s");
  EXPECT_EQ(format_duration(seconds(130)), "2 m 10 s");
  EXPECT_EQ(format_duration(seconds(7199)), "119 m 59 s");
  EXPECT_EQ(format_duration(seconds(7200)), "2 h 00 m");
}

TEST(Ids, are_ordered_and_hashable) {
  PieceIndex piece(7);
  EXPECT_LT(piece, PieceIndex(8));
  EXPECT_EQ(++piece, PieceIndex(8));
  const std::unordered_set<PieceIndex> set{PieceIndex(1), PieceIndex(2), PieceIndex(1)};
  EXPECT_EQ(set.size(), 2u);
  static_assert(!std::is_convertible_v<std::uint32_t, PieceIndex>);
  static_assert(!std::is_convertible_v<PieceIndex, LinkId>);
}

}  // namespace
}  // namespace murder
