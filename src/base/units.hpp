// Units and ids as types, so that a piece index is never passed for a length.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace murder {

/// An integer that means one thing. Ordered, hashable, never converted by accident.
template <class Tag, class Rep = std::uint32_t>
class Id {
 public:
  constexpr Id() = default;
  constexpr explicit Id(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  constexpr Id& operator++() {
    ++value_;
    return *this;
  }
  friend constexpr auto operator<=>(Id, Id) = default;

 private:
  Rep value_ = 0;
};

using PieceIndex = Id<struct PieceTag>;
using LinkId = Id<struct LinkTag>;

/// A moment on the monotonic clock, handed to logic by its driver; a simulation makes its own.
using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

constexpr double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
constexpr Duration from_seconds(double s) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s));
}

/// Bytes per second.
struct Rate {
  double bytes_per_second = 0;
  friend constexpr auto operator<=>(Rate, Rate) = default;
};

/// What may pass each way; absent: no limit.
struct RateLimits {
  std::optional<Rate> up;
  std::optional<Rate> down;
};

constexpr std::uint64_t operator""_KiB(unsigned long long n) { return n << 10; }
constexpr std::uint64_t operator""_MiB(unsigned long long n) { return n << 20; }
constexpr std::uint64_t operator""_GiB(unsigned long long n) { return n << 30; }

/// Parse what a user types: "200MB" and "200M" are decimal, "8MiB" binary, a bare number bytes.
/// Throws Error{usage} naming `what`.
std::uint64_t parse_bytes(std::string_view text, std::string_view what);
/// "50Mbit", "1Gbit", "500kbit" (decimal, bits a second), "10MB/s".
Rate parse_rate(std::string_view text, std::string_view what);
/// "30s", "5m", "200ms", "1h"; a bare number is seconds.
Duration parse_duration(std::string_view text, std::string_view what);

/// For people: "14.7 MB", "236 kB", "512 B" (decimal).
std::string format_bytes(std::uint64_t bytes);
/// "50 Mbit/s".
std::string format_rate(Rate rate);
/// "3.2 s", "41 ms", "2 m 10 s".
std::string format_duration(Duration d);

}  // namespace murder

template <class Tag, class Rep>
struct std::hash<murder::Id<Tag, Rep>> {
  std::size_t operator()(murder::Id<Tag, Rep> id) const noexcept {
    return std::hash<Rep>()(id.value());
  }
};
