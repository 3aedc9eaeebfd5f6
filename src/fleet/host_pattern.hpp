// `[user@]host[:port]` with ranges in the host: "deploy@web[001-200].example.com:2222" stands for
// 200 hosts. What it takes ends up as an argument of ssh and in file names, so it is strict:
// nothing that is an option, steers a shell or a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace murder::fleet {

class HostPattern {
 public:
  /// Throws Fault.
  static HostPattern parse(std::string_view text);

  const std::string& user() const { return user_; }
  std::uint16_t port() const { return port_; }  ///< 0: none is given
  /// It is an IPv6 address, perhaps with a zone: "2001:db8::1", "fe80::1%eth0".
  bool is_ipv6() const { return is_ipv6_; }
  /// How many hosts it stands for; from 2³³ on, 2³³.
  std::uint64_t count() const;
  /// The host of this index below count(), as ssh is told; the last range counts fastest.
  std::string host(std::uint64_t index) const;

 private:
  /// Numbers, letters in a row, or one text.
  struct Item {
    std::string text;
    std::uint64_t first = 0;
    std::uint64_t count = 1;
    std::size_t width = 0;  ///< of numbers, with zeros before them
    enum class Kind { text, numbers, letters } kind = Kind::text;

    std::string at(std::uint64_t index) const;
  };
  using Part = std::vector<Item>;  ///< one of them

  static std::uint64_t count_of(const Part& part);
  static Item parse_item(std::string_view text, std::size_t offset);
  static Part parse_range(std::string_view text, std::size_t offset);
  void parse_host(std::string_view text, std::size_t offset);
  void check_lengths() const;

  std::string user_;
  std::vector<Part> parts_;
  std::uint16_t port_ = 0;
  bool is_ipv6_ = false;
};

/// Throws Fault unless it may be a host's name in reports: letters, digits, '.', '_' and '-', the
/// first neither '.' nor '-'.
void check_host_name(std::string_view text);

}  // namespace murder::fleet
