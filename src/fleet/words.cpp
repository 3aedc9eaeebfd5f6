#include "fleet/words.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/endpoint.hpp"
#include "base/error.hpp"
#include "fleet/fault.hpp"
#include "fleet/host.hpp"
#include "fleet/host_pattern.hpp"

namespace murder::fleet {
namespace {

constexpr auto npos = std::string_view::npos;

/// Behind the quoted text that begins at `begin`; npos: it has no end.
std::size_t end_of_quotes(std::string_view text, std::size_t begin) {
  for (std::size_t i = begin + 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return i + 1;
  }
  return npos;
}

bool may_be_in_key(char c) {
  return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '-';
}

std::string without_quotes(std::string_view text, std::size_t offset) {
  if (end_of_quotes(text, 0) != text.size())
    throw Fault(offset, "a value in quotes ends with the second quote");
  std::string value;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
      if (text[i] != '"' && text[i] != '\\')
        throw Fault(offset + i - 1, "in quotes, '\\' stands before '\"' or '\\' only");
    }
    value += text[i];
  }
  return value;
}

std::string parse_value(std::string_view text, std::size_t offset) {
  if (text.starts_with('"')) return without_quotes(text, offset);
  if (const std::size_t quote = text.find('"'); quote != npos)
    throw Fault(offset + quote, "the whole of a value stands in quotes, or none of it");
  return std::string(text);
}

std::string parse_address(const std::string& value, std::size_t offset) {
  std::string_view text = value;
  if (text.size() > 2 && text.front() == '[' && text.back() == ']')
    text = text.substr(1, text.size() - 2);
  const auto address = IpAddress::parse(text);
  if (!address || address->is_unspecified())
    throw Fault(offset, fmt::format("addr= takes an IP address, not '{}'", printable(value)));
  return address->to_string();
}

void check_name(const std::string& value, std::size_t offset) {
  try {
    check_host_name(value);
  } catch (const Fault& fault) {
    throw Fault(offset, fmt::format("name={}: {}", printable(value), fault.what()));
  }
}

}  // namespace

std::vector<Word> split_words(std::string_view line) {
  std::vector<Word> words;
  std::size_t i = 0;
  for (;;) {
    while (i < line.size() && is_blank(line[i])) ++i;
    if (i == line.size() || line[i] == '#') return words;
    const std::size_t begin = i;
    while (i < line.size() && !is_blank(line[i])) {
      if (line[i] != '"') {
        ++i;
        continue;
      }
      const std::size_t end = end_of_quotes(line, i);
      if (end == npos) throw Fault(i, "a quote that is not closed");
      i = end;
    }
    words.push_back({line.substr(begin, i - begin), begin});
  }
}

std::optional<std::size_t> find_unquoted(std::string_view text, char wanted) {
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == wanted) return i;
    i = text[i] == '"' ? end_of_quotes(text, i) : i + 1;
  }
  return std::nullopt;
}

void check_key(std::string_view key) {
  if (key.empty()) throw Fault(0, "a label has a key before the '='");
  const bool begins_well = is_letter(key.front()) || key.front() == '_';
  if (!begins_well || !std::ranges::all_of(key, may_be_in_key))
    throw Fault(0, fmt::format("'{}' is no label's key: a letter or '_', then also digits, '.' and "
                               "'-'",
                               printable(key)));
}

Label parse_label(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == npos) throw Fault(0, fmt::format("'{}' is no label: key=value", printable(text)));
  const std::string_view key = text.substr(0, equals);
  check_key(key);
  if (key == "host")
    throw Fault(0, "host= is no label: it is what --where calls the name, which name= gives");
  const std::size_t offset = equals + 1;
  std::string value = parse_value(text.substr(offset), offset);
  if (printable(value, value.size() + 1) != value)
    throw Fault(offset, fmt::format("the value of '{}' has characters that cannot be printed: {}",
                                    key, printable(value)));
  if (key == "addr") value = parse_address(value, offset);
  if (key == "name") check_name(value, offset);
  if (key == "dest" && !is_destination(value))
    throw Fault(offset, fmt::format("dest= takes a folder of its own with its whole path, such as "
                                    "/srv/app, not '{}'",
                                    printable(value)));
  return {std::string(key), std::move(value)};
}

}  // namespace murder::fleet
