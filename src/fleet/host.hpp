// A server that is to receive a release, as the user names it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace murder::fleet {

struct Host {
  std::string name;        ///< what reports call it; no two hosts of a list have the same
  std::string user;        ///< empty: ssh's own
  std::string host;        ///< as ssh is told: an IPv6 address without brackets
  std::uint16_t port = 0;  ///< 0: ssh's own
  /// `addr`, if it is there, is an IP address as IpAddress::to_string() writes it, and `dest`
  /// is_destination(). `name` is not among them.
  std::map<std::string, std::string> labels;
  std::string where;  ///< what names it: "hosts.txt:12", "--host"
  bool here = false;  ///< the machine that we run on: reached without ssh

  friend bool operator==(const Host&, const Host&) = default;
};

/// A folder of its own on a host, named by its whole path: neither empty nor relative (hosts have
/// no folder that a relative one could begin at), nor "/".
bool is_destination(std::string_view path);

/// "[user@]host[:port]", as lists of hosts have it: "deploy@web1:2222", "[2001:db8::1]".
std::string target_of(const Host& host);

/// "rack=r7 note=\"two words\"", as lists of hosts have it; by key, empty without labels.
std::string labels_text(const std::map<std::string, std::string>& labels);

}  // namespace murder::fleet
