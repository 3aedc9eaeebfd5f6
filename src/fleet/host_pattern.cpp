#include "fleet/host_pattern.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "base/endpoint.hpp"
#include "base/error.hpp"
#include "fleet/fault.hpp"

namespace murder::fleet {
namespace {

constexpr std::uint64_t very_many = 1ull << 33;
constexpr std::size_t longest_host = 253;  // RFC 1035, as text
constexpr std::size_t most_digits = 9;
constexpr auto npos = std::string_view::npos;

bool is_name_character(char c) {
  return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
}

bool are_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

/// The first character that a name may not have; npos: none.
std::size_t first_strange(std::string_view text) {
  const auto found = std::ranges::find_if_not(text, is_name_character);
  return found == text.end() ? npos : static_cast<std::size_t>(found - text.begin());
}

/// What begins with '-' would be an option of ssh, with '.' a hidden file.
void check_beginning(std::string_view text, std::size_t offset, std::string_view what) {
  if (text.front() == '-' || text.front() == '.')
    throw Fault(offset, fmt::format("{} cannot begin with '{}'", what, text.front()));
}

void check_characters(std::string_view text, std::size_t offset, std::string_view what) {
  const std::size_t strange = first_strange(text);
  if (strange == npos) return;
  // Of a character of several bytes all are shown.
  std::size_t end = strange + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
  throw Fault(offset + strange, fmt::format("'{}' cannot be part of {}",
                                            printable(text.substr(strange, end - strange)), what));
}

std::string too_long() {
  return fmt::format("a host's name has at most {} characters", longest_host);
}

std::uint64_t number(std::string_view digits) {
  std::uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

std::uint16_t parse_port(std::string_view text, std::size_t offset) {
  const std::uint64_t port = are_digits(text) && text.size() <= 5 ? number(text) : 0;
  if (port == 0 || port > 65535)
    throw Fault(offset, fmt::format("'{}' is no port: 1 to 65535", printable(text)));
  return static_cast<std::uint16_t>(port);
}

void check_ipv6(std::string_view text, std::size_t offset) {
  const std::size_t percent = text.find('%');
  const std::string_view address = text.substr(0, percent);
  if (address.find(':') == npos || !IpAddress::parse(address))
    throw Fault(offset, fmt::format("'{}' is no IPv6 address", printable(address)));
  if (percent == npos) return;
  const std::string_view zone = text.substr(percent + 1);
  if (zone.empty()) throw Fault(offset + percent, "no zone after the '%'");
  check_characters(zone, offset + percent + 1, "a zone");
}

/// Of the ':' before the port; npos: there is none. Text in brackets does not count.
std::size_t find_port_colon(std::string_view text, std::size_t offset) {
  std::size_t colon = npos;
  bool in_brackets = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') in_brackets = true;
    if (text[i] == ']') in_brackets = false;
    if (text[i] != ':' || in_brackets) continue;
    if (colon != npos)
      throw Fault(offset, "an IPv6 address stands in brackets: [2001:db8::1], [2001:db8::1]:2222");
    colon = i;
  }
  return colon;
}

}  // namespace

std::string HostPattern::Item::at(std::uint64_t index) const {
  if (kind == Kind::text) return text;
  if (kind == Kind::letters) return std::string(1, static_cast<char>(first + index));
  return fmt::format("{:0{}}", first + index, width);
}

std::uint64_t HostPattern::count_of(const Part& part) {
  std::uint64_t count = 0;
  for (const Item& item : part) count += item.count;
  return count;
}

std::uint64_t HostPattern::count() const {
  std::uint64_t count = 1;
  for (const Part& part : parts_) count = std::min(count * count_of(part), very_many);
  return count;
}

std::string HostPattern::host(std::uint64_t index) const {
  std::vector<std::string> texts(parts_.size());
  for (std::size_t i = parts_.size(); i-- > 0;) {
    const std::uint64_t choices = count_of(parts_[i]);
    std::uint64_t choice = index % choices;
    index /= choices;
    auto item = parts_[i].begin();
    while (choice >= item->count) choice -= (item++)->count;
    texts[i] = item->at(choice);
  }
  std::string host;
  for (const std::string& text : texts) host += text;
  return host;
}

HostPattern::Item HostPattern::parse_item(std::string_view text, std::size_t offset) {
  Item item;
  const auto refuse = [&](std::string_view reason) {
    throw Fault(offset, fmt::format("'{}' in a range: {}", printable(text), reason));
  };
  if (text.empty()) throw Fault(offset, "a range with nothing in it, such as [1-3] or [a,b,07-12]");
  check_characters(text, offset, "a range");
  const std::size_t dash = text.find('-');
  if (dash == npos) {
    item.text = text;
    return item;
  }
  const std::string_view low = text.substr(0, dash);
  const std::string_view high = text.substr(dash + 1);
  if (are_digits(low) && are_digits(high)) {
    if (std::max(low.size(), high.size()) > most_digits) refuse("numbers have up to 9 digits");
    if (high.size() > 1 && high.front() == '0' && high.size() != low.size())
      refuse("both ends are padded with zeros to the same width, as in 01-20");
    item.kind = Item::Kind::numbers;
    item.first = number(low);
    item.width = low.front() == '0' ? low.size() : 1;
    if (number(high) < item.first) refuse("it runs backwards");
    item.count = number(high) - item.first + 1;
  } else if (low.size() == 1 && high.size() == 1 && is_letter(low[0]) && is_letter(high[0]) &&
             (low[0] < 'a') == (high[0] < 'a')) {
    item.kind = Item::Kind::letters;
    item.first = static_cast<unsigned char>(low[0]);
    if (high[0] < low[0]) refuse("it runs backwards");
    item.count = static_cast<std::uint64_t>(high[0] - low[0]) + 1;
  } else {
    refuse("'-' stands between two numbers or two letters, as in 1-20 or a-f");
  }
  return item;
}

HostPattern::Part HostPattern::parse_range(std::string_view text, std::size_t offset) {
  Part part;
  for (;;) {
    const std::size_t comma = text.find(',');
    part.push_back(parse_item(text.substr(0, comma), offset));
    if (comma == npos) return part;
    text.remove_prefix(comma + 1);
    offset += comma + 1;
  }
}

void HostPattern::parse_host(std::string_view text, std::size_t offset) {
  while (!text.empty()) {
    const std::size_t bracket = text.find_first_of("[]");
    const std::string_view literal = text.substr(0, bracket);
    check_characters(literal, offset, "a host's name");
    if (!literal.empty()) {
      Item item;
      item.text = literal;
      parts_.push_back({item});
    }
    if (bracket == npos) return;
    if (text[bracket] == ']') throw Fault(offset + bracket, "']' without a '[' before it");
    const std::size_t closing = text.find_first_of("[]", bracket + 1);
    if (closing == npos || text[closing] == '[')
      throw Fault(offset + bracket, "'[' is not closed (a range has no blanks)");
    parts_.push_back(
        parse_range(text.substr(bracket + 1, closing - bracket - 1), offset + bracket + 1));
    text.remove_prefix(closing + 1);
    offset += closing + 1;
  }
}

void HostPattern::check_lengths() const {
  std::size_t length = 0;
  for (const Part& part : parts_) {
    std::size_t longest = 0;
    for (const Item& item : part) longest = std::max(longest, item.at(item.count - 1).size());
    length += longest;
  }
  if (length > longest_host) throw Fault(0, too_long());
}

HostPattern HostPattern::parse(std::string_view text) {
  HostPattern pattern;
  std::size_t offset = 0;
  if (const std::size_t at = text.find('@'); at != npos) {
    const std::string_view user = text.substr(0, at);
    if (user.empty()) throw Fault(0, "no user before the '@'");
    check_beginning(user, 0, "a user's name");
    check_characters(user, 0, "a user's name");
    pattern.user_ = user;
    offset = at + 1;
  }
  std::string_view rest = text.substr(offset);
  if (rest.empty()) throw Fault(offset, "no host");

  const std::size_t closing = rest.find(']');
  if (rest.front() == '[' && closing != npos && rest.substr(0, closing).find(':') != npos) {
    Item address;
    address.text = rest.substr(1, closing - 1);
    check_ipv6(address.text, offset + 1);
    pattern.is_ipv6_ = true;
    pattern.parts_.push_back({address});
    rest.remove_prefix(closing + 1);
    offset += closing + 1;
    if (rest.empty()) return pattern;
    if (rest.front() != ':')
      throw Fault(offset, "after an IPv6 address in brackets comes ':' and a port, or nothing");
    pattern.port_ = parse_port(rest.substr(1), offset + 1);
    return pattern;
  }

  const std::size_t colon = find_port_colon(rest, offset);
  const std::string_view host = rest.substr(0, colon);
  if (host.empty()) throw Fault(offset, "no host before the ':'");
  check_beginning(host, offset, "a host's name");
  pattern.parse_host(host, offset);
  for (const Item& item : pattern.parts_.front())
    check_beginning(item.at(0), offset, "a host's name");
  pattern.check_lengths();
  if (colon != npos) pattern.port_ = parse_port(rest.substr(colon + 1), offset + colon + 1);
  return pattern;
}

void check_host_name(std::string_view text) {
  if (text.empty()) throw Fault(0, "a host's name cannot be empty");
  check_beginning(text, 0, "a host's name");
  check_characters(text, 0, "a host's name");
  if (text.size() > longest_host) throw Fault(0, too_long());
}

}  // namespace murder::fleet
