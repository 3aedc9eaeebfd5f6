#include "fleet/selection.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

#include "base/error.hpp"
#include "fleet/fault.hpp"
#include "fleet/words.hpp"

namespace murder::fleet {
namespace {

constexpr auto npos = std::string_view::npos;
constexpr std::size_t most_keys_shown = 20;
constexpr std::size_t most_values_shown = 8;

[[noreturn]] void refuse(const std::string& reason) {
  throw Error(ErrorKind::usage, "--where: " + reason);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == npos) return parts;
    text.remove_prefix(end + 1);
  }
}

/// Whether `text` is `glob`, in which '*' stands for any characters.
bool matches(std::string_view glob, std::string_view text) {
  const auto pieces = split(glob, '*');
  if (pieces.size() == 1) return glob == text;
  if (!text.starts_with(pieces.front())) return false;
  text.remove_prefix(pieces.front().size());
  for (std::size_t i = 1; i + 1 < pieces.size(); ++i) {
    const std::size_t found = text.find(pieces[i]);
    if (found == npos) return false;
    text.remove_prefix(found + pieces[i].size());
  }
  return text.ends_with(pieces.back());
}

/// "r1|r2|r7", as --where takes it.
std::string values_text(const std::set<std::string>& values) {
  std::string text;
  std::size_t shown = 0;
  for (const std::string& value : values) {
    if (shown++ == most_values_shown) return text + fmt::format("|… ({} in all)", values.size());
    text += (text.empty() ? "" : "|") + printable(value, 60);
  }
  return text;
}

/// "rack=r1|r7, role=db|web".
std::string labels_of(const std::vector<Host>& hosts, bool with_names) {
  std::map<std::string, std::set<std::string>> labels;
  for (const Host& host : hosts) {
    if (with_names) labels["host"].insert(host.name);
    for (const auto& [key, value] : host.labels) labels[key].insert(value);
  }
  if (labels.empty()) return "which have no labels";
  std::string text;
  std::size_t shown = 0;
  for (const auto& [key, values] : labels) {
    if (shown++ == most_keys_shown) return text + ", …";
    text += fmt::format("{}{}={}", text.empty() ? "which have " : ", ", printable(key, 60),
                        values_text(values));
  }
  return text;
}

}  // namespace

Selection::Term Selection::parse_term(std::string_view text) {
  Term term;
  const std::size_t equals = text.find('=');
  std::string_view key = text.substr(0, equals);
  if (equals == npos) {
    term.negated = key.starts_with('!');
    if (term.negated) key.remove_prefix(1);
  } else {
    term.negated = key.ends_with('!');
    if (term.negated) key.remove_suffix(1);
    for (const std::string_view value : split(text.substr(equals + 1), '|'))
      term.values.emplace_back(value);
  }
  try {
    check_key(key);
  } catch (const Fault&) {
    refuse(
        fmt::format("'{}' is no term: key=value, key!=value, key or !key, with commas between "
                    "them",
                    printable(text)));
  }
  // What name= gives is the name, which is no label any more.
  term.key = key == "name" ? "host" : key;
  return term;
}

void Selection::narrow(std::string_view terms) {
  for (const std::string_view term : split(terms, ',')) terms_.push_back(parse_term(term));
  text_ += (text_.empty() ? "" : ",") + printable(terms);
}

bool Selection::holds(const Term& term, const Host& host) {
  const std::string* value = &host.name;
  if (term.key != "host") {
    const auto label = host.labels.find(term.key);
    if (label == host.labels.end()) return term.negated;
    value = &label->second;
  }
  const bool is_one =
      term.values.empty() ||
      std::ranges::any_of(term.values, [&](const auto& glob) { return matches(glob, *value); });
  return is_one != term.negated;
}

bool Selection::takes(const Host& host) const {
  return std::ranges::all_of(terms_, [&](const Term& term) { return holds(term, host); });
}

std::vector<Host> Selection::of(std::vector<Host> hosts) const {
  if (terms_.empty()) return hosts;
  const auto refused = [&](const Host& host) { return !takes(host); };
  if (std::ranges::all_of(hosts, refused)) {
    const bool with_names =
        std::ranges::any_of(terms_, [](const Term& t) { return t.key == "host"; });
    refuse(fmt::format("{} selects none of {} {}, {}", text_, hosts.size(),
                       hosts.size() == 1 ? "host" : "hosts", labels_of(hosts, with_names)));
  }
  std::erase_if(hosts, refused);
  return hosts;
}

}  // namespace murder::fleet
