#include "fleet/host_groups.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/error.hpp"
#include "fleet/name_ranges.hpp"

namespace murder::fleet {
namespace {

constexpr std::size_t page_width = 100;

std::string names_below(const std::vector<std::string>& names, std::size_t max_names) {
  const std::vector<std::string> ranges = name_ranges(names);
  std::vector<std::string> words;
  for (const std::string& range : ranges) {
    if (words.size() == max_names) {
      words.push_back(fmt::format("and {} more", ranges.size() - max_names));
      break;
    }
    words.push_back(printable(range));
  }
  std::string out;
  std::string line = "   ";
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string word = words[i] + (i + 1 < words.size() ? "," : "");
    if (i > 0 && text_width(line) + 1 + text_width(word) > page_width) {
      out += line + "\n";
      line = "   ";
    }
    line += " " + word;
  }
  return out + line + "\n";
}

}  // namespace

std::string count_of_hosts(std::size_t count) {
  return fmt::format("{} host{}", count, count == 1 ? "" : "s");
}

std::size_t text_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

void HostGroups::add(const std::string& what, const std::string& host) {
  const auto [place, is_new] = index_.emplace(what, groups_.size());
  if (is_new) groups_.push_back({what, {}});
  groups_[place->second].names.push_back(host);
}

std::string HostGroups::text(std::size_t max_names) const {
  std::string out;
  for (const Group& group : groups_) {
    if (group.names.size() == 1)
      out += fmt::format("{} {}\n", printable(group.names.front()), group.what);
    else
      out += fmt::format("{} {}\n{}", count_of_hosts(group.names.size()), group.what,
                         names_below(group.names, max_names));
  }
  return out;
}

}  // namespace murder::fleet
