// Hosts of which the same is to be said, told together: what keeps a report on 5,000 hosts short.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace murder::fleet {

/// "1 host", "3 hosts".
std::string count_of_hosts(std::size_t count);
/// Columns that a text takes: its UTF-8 characters.
std::size_t text_width(std::string_view text);

/// What is said of hosts, in the order in which it is first said.
class HostGroups {
 public:
  /// `what` follows the host's name: "failed in reach: connection refused". Fit to be printed.
  void add(const std::string& what, const std::string& host);
  /// "12 hosts failed in reach: connection refused", and below their names, as ranges, at most so
  /// many of a group; one host in a line of its own.
  std::string text(std::size_t max_names) const;

 private:
  struct Group {
    std::string what;
    std::vector<std::string> names;
  };
  std::vector<Group> groups_;
  std::map<std::string, std::size_t> index_;
};

}  // namespace murder::fleet
