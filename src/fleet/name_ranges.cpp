#include "fleet/name_ranges.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>

namespace murder::fleet {
namespace {

/// A name cut at one of its numbers. Numbers of up to 9 digits: longer ones are no counting.
struct Cut {
  std::string_view before;
  std::string_view digits;
  std::string_view after;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::vector<Cut> cuts(std::string_view name) {
  std::vector<Cut> result;
  for (std::size_t i = 0; i < name.size();) {
    std::size_t end = i;
    while (end < name.size() && is_digit(name[end])) ++end;
    if (end > i && end - i <= 9)
      result.push_back({name.substr(0, i), name.substr(i, end - i), name.substr(end)});
    i = end > i ? end : i + 1;
  }
  return result;
}

std::uint32_t value(std::string_view digits) {
  std::uint32_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

/// What names of one range share. Width 0: numbers without leading zeros, of any width.
using Key = std::tuple<std::string_view, std::string_view, std::size_t>;

struct Numbered {
  std::uint32_t number;
  std::size_t position;  // in the list of names
};

bool is_padded(std::string_view digits) { return digits.size() > 1 && digits.front() == '0'; }

/// The keys under which a cut name may stand: with its width as it is, and without any when it has
/// no leading zero.
std::vector<Key> keys(const Cut& cut) {
  std::vector<Key> result = {{cut.before, cut.after, cut.digits.size()}};
  if (!is_padded(cut.digits)) result.emplace_back(cut.before, cut.after, 0);
  return result;
}

std::string range(const Key& key, std::uint32_t first, std::uint32_t last) {
  const auto& [before, after, width] = key;
  return first == last
             ? fmt::format("{}{:0{}}{}", before, first, width, after)
             : fmt::format("{}[{:0{}}-{:0{}}]{}", before, first, width, last, width, after);
}

}  // namespace

std::vector<std::string> name_ranges(const std::vector<std::string>& names) {
  // Each name goes with the key that most names could go with: of the numbers in a name, the one
  // that counts the hosts.
  std::map<Key, std::size_t> popularity;
  for (const std::string& name : names)
    for (const Cut& cut : cuts(name))
      for (const Key& key : keys(cut)) ++popularity[key];

  std::map<Key, std::vector<Numbered>> groups;
  std::vector<std::pair<std::size_t, std::string>> out;  // position of the first name, text
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::optional<Key> best;
    std::uint32_t number = 0;
    for (const Cut& cut : cuts(names[i]))
      for (const Key& key : keys(cut))
        if (!best || popularity[key] > popularity[*best]) {
          best = key;
          number = value(cut.digits);
        }
    if (best)
      groups[*best].push_back({number, i});
    else
      out.emplace_back(i, names[i]);
  }

  for (auto& [key, members] : groups) {
    std::sort(members.begin(), members.end(),
              [](const Numbered& a, const Numbered& b) { return a.number < b.number; });
    for (std::size_t begin = 0; begin < members.size();) {
      std::size_t end = begin + 1;
      std::size_t position = members[begin].position;
      while (end < members.size() && members[end].number - members[end - 1].number <= 1)
        position = std::min(position, members[end++].position);
      out.emplace_back(position, range(key, members[begin].number, members[end - 1].number));
      begin = end;
    }
  }
  std::sort(out.begin(), out.end());
  std::vector<std::string> result;
  result.reserve(out.size());
  for (auto& [position, text] : out) result.push_back(std::move(text));
  return result;
}

}  // namespace murder::fleet
