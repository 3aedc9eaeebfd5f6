// Some of the hosts, by their labels and names: `rack=r7,role!=db` (docs/inventory.md). No I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fleet/host.hpp"

namespace murder::fleet {

class Selection {
 public:
  /// Narrows it by terms between commas: `key=value`, `key!=value`, `key` (has it), `!key`. A value
  /// is alternatives between '|', in which '*' stands for anything; the key `host` is the name.
  /// Error{usage} "--where: …".
  void narrow(std::string_view terms);

  /// Whether all terms hold; a host without a label has no value that could equal one.
  bool takes(const Host& host) const;

  /// Those of `hosts` that it takes, in their order. Error{usage} "--where: …" when it has
  /// terms and takes none: which labels and values there are.
  std::vector<Host> of(std::vector<Host> hosts) const;

 private:
  struct Term {
    std::string key;
    std::vector<std::string> values;  ///< empty: any
    bool negated = false;
  };
  static Term parse_term(std::string_view text);
  static bool holds(const Term& term, const Host& host);

  std::vector<Term> terms_;
  std::string text_;  ///< all of it, for errors
};

}  // namespace murder::fleet
