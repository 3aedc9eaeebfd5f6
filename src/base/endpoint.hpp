// An IP address and a port, as trackers and peers exchange them; no I/O.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace murder {

/// IPv4 or IPv6. IPv4-mapped IPv6 addresses are stored as IPv4, so that equal hosts compare equal.
class IpAddress {
 public:
  IpAddress() = default;
  static IpAddress v4(std::array<std::uint8_t, 4> bytes);
  static IpAddress v6(std::array<std::uint8_t, 16> bytes);
  static std::optional<IpAddress> parse(std::string_view text);
  bool is_v4() const;
  std::array<std::uint8_t, 4> v4_bytes() const;                         ///< only when is_v4()
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }  ///< mapped when IPv4
  bool is_unspecified() const;
  std::string to_string() const;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  /// "198.18.0.4:8999", "[2001:db8::1]:8999".
  std::string to_string() const;
  /// As to_string() writes it; an IPv6 address in brackets, an IPv4 address without.
  static std::optional<Endpoint> parse(std::string_view text);
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

}  // namespace murder

template <>
struct std::hash<murder::Endpoint> {
  std::size_t operator()(const murder::Endpoint& e) const noexcept {
    const auto& b = e.address.bytes();
    return std::hash<std::string_view>()({reinterpret_cast<const char*>(b.data()), b.size()}) * 31 +
           e.port;
  }
};
