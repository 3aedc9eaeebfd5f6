// Endpoints as trackers and peers pack them: 4 or 16 bytes of address and 2 of port, in network
// order, one after another (BEP 23, BEP 7, BEP 11). No I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"

namespace murder {

/// The two byte strings of a compact list: 6 bytes an IPv4 endpoint, 18 an IPv6 one.
struct CompactEndpoints {
  std::string v4;
  std::string v6;
};
CompactEndpoints encode_compact(const std::vector<Endpoint>& endpoints);

/// Appends to `out`, leaving out those that nobody can dial (port 0). False, with nothing
/// appended, when the length is not a multiple of 6 or of 18.
bool append_compact_v4(std::vector<Endpoint>& out, std::string_view packed);
bool append_compact_v6(std::vector<Endpoint>& out, std::string_view packed);

}  // namespace murder
