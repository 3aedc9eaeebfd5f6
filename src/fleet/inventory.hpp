// Which hosts there are: lists of hosts (docs/inventory.md) read into one. Whoever keeps a list of
// thousands of lines wants to mend all that is wrong with it at once, so every fault is gathered,
// with its file, line and column, before anything is refused. No I/O: text in, hosts out.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fleet/host.hpp"
#include "fleet/list_line.hpp"

namespace murder::fleet {

class Inventory {
 public:
  /// So many hosts at most, ranges expanded.
  static constexpr std::size_t most_hosts = 100'000;

  /// Reads one host a line. `source` is what errors call the text: "hosts.txt".
  void read_lines(const std::string& source, std::string_view text);
  /// Reads "web1,deploy@web[2-9,12]:2222". `source` as above: "--host".
  void read_list(const std::string& source, std::string_view text);

  /// All hosts, in the order in which they were read; to be called once. Error{usage} whose message
  /// has all that is wrong, one a line, the first 50 of it.
  std::vector<Host> take_hosts();

 private:
  struct Place {
    std::size_t source = 0;  ///< in sources_
    std::size_t line = 0;    ///< 0: it has no lines
    std::size_t column = 0;  ///< in characters from 1; 0: the line as a whole
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  struct Problem {
    Place place;
    std::string reason;
  };

  void read(const ListLine& line, std::string_view text, Place place);
  void add_hosts(const ListLine& line, Place place);
  void name_hosts();
  std::string problems_text();
  std::string to_string(const Place& place) const;

  std::vector<std::string> sources_;
  std::map<std::string, std::string> heading_;  ///< labels for the lines below it
  std::vector<Host> hosts_;
  std::vector<Place> places_;                           ///< of hosts_
  std::unordered_map<std::string, std::size_t> known_;  ///< host and port → index in hosts_
  std::vector<Problem> problems_;
  std::uint64_t expanded_ = 0;  ///< hosts so far, and those that are named twice
  bool is_full_ = false;
};

}  // namespace murder::fleet
