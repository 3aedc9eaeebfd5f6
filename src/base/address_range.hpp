// A block of IP addresses, as firewalls and trackers are told it: "10.0.0.0/8", "2001:db8::/32",
// one address; no I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/endpoint.hpp"

namespace murder {

class AddressRange {
 public:
  /// Without a length it is the one address. nullopt for what is neither, for a length that the
  /// family does not have, and for bits set behind it (10.0.0.1/8: meant is likely another).
  static std::optional<AddressRange> parse(std::string_view text);
  /// An IPv4 range holds no IPv6 address and the reverse.
  bool contains(const IpAddress& address) const;
  std::string to_string() const;

 private:
  IpAddress first_;
  unsigned bits_ = 0;  ///< of the 128 that an address is stored in
};

}  // namespace murder
