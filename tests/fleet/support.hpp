// Lists of hosts as tests write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "fleet/inventory.hpp"

namespace murder::fleet {

/// The hosts of hosts.txt, if it said that.
inline std::vector<Host> hosts_of(std::string_view text) {
  Inventory inventory;
  inventory.read_lines("hosts.txt", text);
  return inventory.take_hosts();
}

/// As --host takes them.
inline std::vector<Host> listed(std::string_view text) {
  Inventory inventory;
  inventory.read_list("--host", text);
  return inventory.take_hosts();
}

inline std::vector<std::string> names_of(const std::vector<Host>& hosts) {
  std::vector<std::string> names;
  for (const Host& host : hosts) names.push_back(host.name);
  return names;
}

/// What the refusal of this says; "taken" without one. Any error but Error{usage} is passed on.
template <class Work>
std::string refusal(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    return error.what();
  }
  return "taken";
}

inline std::string refusal_of(std::string_view text) {
  return refusal([&] { hosts_of(text); });
}

}  // namespace murder::fleet
