#include "base/units.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <optional>

#include "base/error.hpp"

namespace murder {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr double max_bytes = 9e18;             // fits a signed 64-bit offset
constexpr double max_bytes_per_second = 1e15;  // 8 Pbit/s
constexpr double max_seconds = 1e9;            // fits Duration

/// A non-negative decimal number and the unit that follows it; nullopt when either is wrong.
/// long double: exact for every count of bytes below 2^64.
template <std::size_t N>
std::optional<long double> parse_with_unit(std::string_view text,
                                           const std::array<Unit, N>& units) {
  long double number = 0;
  const auto [end, ec] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (ec != std::errc() || !std::isfinite(number) || std::signbit(number)) return std::nullopt;
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  for (const Unit& u : units)
    if (u.name == unit) return number * u.factor;
  return std::nullopt;
}

[[noreturn]] void bad_value(std::string_view what, std::string_view text, std::string_view hint) {
  throw Error(ErrorKind::usage, fmt::format("{}: cannot read '{}' as {}", what, text, hint));
}

}  // namespace

std::uint64_t parse_bytes(std::string_view text, std::string_view what) {
  static constexpr std::array<Unit, 17> units{{{"", 1},
                                               {"B", 1},
                                               {"k", 1e3},
                                               {"K", 1e3},
                                               {"kB", 1e3},
                                               {"KB", 1e3},
                                               {"M", 1e6},
                                               {"MB", 1e6},
                                               {"G", 1e9},
                                               {"GB", 1e9},
                                               {"T", 1e12},
                                               {"TB", 1e12},
                                               {"KiB", 1024.0},
                                               {"kiB", 1024.0},
                                               {"MiB", 1048576.0},
                                               {"GiB", 1073741824.0},
                                               {"TiB", 1099511627776.0}}};
  const auto value = parse_with_unit(text, units);
  if (!value || *value > max_bytes) bad_value(what, text, "a size (such as 200MB, 8MiB or 1GiB)");
  return static_cast<std::uint64_t>(std::llround(*value));
}

Rate parse_rate(std::string_view text, std::string_view what) {
  static constexpr std::array<Unit, 13> units{{{"bit", 1.0 / 8},
                                               {"kbit", 1e3 / 8},
                                               {"Kbit", 1e3 / 8},
                                               {"Mbit", 1e6 / 8},
                                               {"mbit", 1e6 / 8},
                                               {"Gbit", 1e9 / 8},
                                               {"gbit", 1e9 / 8},
                                               {"Mbit/s", 1e6 / 8},
                                               {"Gbit/s", 1e9 / 8},
                                               {"B/s", 1},
                                               {"kB/s", 1e3},
                                               {"MB/s", 1e6},
                                               {"GB/s", 1e9}}};
  const auto value = parse_with_unit(text, units);
  if (!value || *value <= 0 || *value > max_bytes_per_second)
    bad_value(what, text, "a rate (such as 50Mbit, 1Gbit or 10MB/s)");
  return Rate{static_cast<double>(*value)};
}

Duration parse_duration(std::string_view text, std::string_view what) {
  static constexpr std::array<Unit, 7> units{
      {{"", 1}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}}};
  const auto value = parse_with_unit(text, units);
  if (!value || *value > max_seconds)
    bad_value(what, text, "a duration (such as 30s, 5m or 200ms)");
  return from_seconds(static_cast<double>(*value));
}

std::string format_bytes(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 5> names{"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < names.size()) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  return value < 99.95 ? fmt::format("{:.1f} {}", value, names[unit])
                       : fmt::format("{:.0f} {}", value, names[unit]);
}

std::string format_rate(Rate rate) {
  static constexpr std::array<std::string_view, 4> names{"kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"};
  double value = rate.bytes_per_second * 8 / 1e3;
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < names.size()) {
    value /= 1000;
    ++unit;
  }
  if (value < 0.0005) return "0 kbit/s";
  return value < 999.5 ? fmt::format("{:.3g} {}", value, names[unit])
                       : fmt::format("{:.0f} {}", value, names[unit]);
}

std::string format_duration(Duration d) {
  const double s = to_seconds(d);
  if (s < 0.9995) return fmt::format("{:.0f} ms", s * 1000);
  if (s < 99.95) return fmt::format("{:.1f} s", s);
  const auto whole = static_cast<long>(std::lround(s));
  if (whole < 7200) return fmt::format("{} m {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} m", whole / 3600, whole / 60 % 60);
}

}  // namespace murder
