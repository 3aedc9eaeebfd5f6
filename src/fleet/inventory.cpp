#include "fleet/inventory.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <utility>

#include "base/endpoint.hpp"
#include "base/error.hpp"

namespace murder::fleet {
namespace {

constexpr std::size_t most_problems_shown = 50;
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// The same for every spelling of a host and a port.
std::string identity_of(const Host& host) {
  const std::size_t zone = std::min(host.host.find('%'), host.host.size());
  const auto address = IpAddress::parse(std::string_view(host.host).substr(0, zone));
  const std::string canonical =
      address ? address->to_string() + host.host.substr(zone) : lower_case(host.host);
  return fmt::format("{} {}", canonical, host.port);
}

std::string target_without_user(Host host) {
  host.user.clear();
  return target_of(host);
}

std::string target_without_port(Host host) {
  host.port = 0;
  return target_without_user(std::move(host));
}

/// Of the byte at `offset`: characters of UTF-8, from 1.
std::size_t column_of(std::string_view line, std::size_t offset) {
  const auto begins_one = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
  return 1 + static_cast<std::size_t>(std::ranges::count_if(line.substr(0, offset), begins_one));
}

}  // namespace

void Inventory::read_lines(const std::string& source, std::string_view text) {
  sources_.push_back(source);
  heading_.clear();
  const std::size_t hosts_before = hosts_.size();
  const std::size_t problems_before = problems_.size();
  Place place{sources_.size() - 1, 0, 0};
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++place.line;
    read(parse_line(line), line, place);
  }
  if (hosts_.size() == hosts_before && problems_.size() == problems_before)
    problems_.push_back(
        {{place.source, 0, 0}, "no host in it; it has one a line: [user@]host[:port] key=value…"});
}

void Inventory::read_list(const std::string& source, std::string_view text) {
  sources_.push_back(source);
  heading_.clear();
  const Place place{sources_.size() - 1, 0, 0};
  bool in_brackets = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ',';
    if (c == '[') in_brackets = true;
    if (c == ']') in_brackets = false;
    if (c != ',' || (in_brackets && i < text.size())) continue;
    const std::string_view target = text.substr(begin, i - begin);
    read(parse_target(target), target, place);
    begin = i + 1;
  }
}

void Inventory::read(const ListLine& line, std::string_view text, Place place) {
  const bool has_columns = place.line != 0;
  for (const Fault& fault : line.faults) {
    place.column = has_columns ? column_of(text, fault.offset()) : 0;
    problems_.push_back({place, fault.what()});
  }
  place.column = has_columns ? column_of(text, line.pattern_offset) : 0;
  if (line.kind == ListLine::Kind::heading) heading_ = line.labels;
  // Also with labels that are at fault, so that what is named twice is found now.
  if (line.pattern) add_hosts(line, place);
}

void Inventory::add_hosts(const ListLine& line, Place place) {
  if (is_full_) return;
  const std::uint64_t count = line.pattern->count();
  if (count > most_hosts - expanded_) {
    is_full_ = true;
    problems_.push_back(
        {place, fmt::format("that makes more than {} hosts, the most that can be named at once",
                            most_hosts)});
    return;
  }
  expanded_ += count;
  Host host;
  host.user = line.pattern->user();
  host.port = line.pattern->port();
  host.labels = line.labels;
  host.labels.insert(heading_.begin(), heading_.end());
  if (const auto name = host.labels.extract("name")) host.name = name.mapped();
  host.where = to_string({place.source, place.line, 0});

  std::string repeated;
  std::uint64_t repetitions = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    host.host = line.pattern->host(i);
    const auto [known, is_new] = known_.emplace(identity_of(host), hosts_.size());
    if (is_new) {
      hosts_.push_back(host);
      places_.push_back(place);
    } else if (repetitions++ == 0) {
      const std::string& before = hosts_[known->second].where;
      repeated = fmt::format("{} is named {}", target_without_user(host),
                             before == host.where ? "twice" : "already: " + before);
    }
  }
  if (repetitions == 0) return;
  if (repetitions > 1) repeated += fmt::format(", and so are {} more", repetitions - 1);
  problems_.push_back({place, repeated});
}

/// By the host alone where that is enough, else with the port.
void Inventory::name_hosts() {
  std::unordered_map<std::string, std::size_t> namesakes;
  for (const Host& host : hosts_)
    if (host.name.empty()) ++namesakes[lower_case(target_without_port(host))];
  std::unordered_map<std::string, std::size_t> named;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    Host& host = hosts_[i];
    if (host.name.empty()) {
      host.name = target_without_port(host);
      if (namesakes.at(lower_case(host.name)) > 1) host.name = target_without_user(host);
    }
    const auto [other, is_new] = named.emplace(lower_case(host.name), i);
    if (!is_new)
      problems_.push_back({places_[i], fmt::format("the name {} is taken: {}; name= gives another",
                                                   host.name, hosts_[other->second].where)});
  }
}

std::vector<Host> Inventory::take_hosts() {
  name_hosts();
  if (!problems_.empty()) throw Error(ErrorKind::usage, problems_text());
  return std::move(hosts_);
}

std::string Inventory::problems_text() {
  std::ranges::stable_sort(problems_, {}, &Problem::place);
  const std::size_t count = problems_.size();
  std::string text;
  if (count > 1) text = fmt::format("{} things are wrong with the hosts that are named:\n", count);
  for (std::size_t i = 0; i < std::min(count, most_problems_shown); ++i)
    text += fmt::format("{}{}: {}", i == 0 ? "" : "\n", to_string(problems_[i].place),
                        problems_[i].reason);
  if (count > most_problems_shown)
    text += fmt::format("\n… and {} more", count - most_problems_shown);
  return text;
}

std::string Inventory::to_string(const Place& place) const {
  std::string text = printable(sources_[place.source]);
  if (place.line != 0) text += fmt::format(":{}", place.line);
  if (place.column != 0) text += fmt::format(":{}", place.column);
  return text;
}

}  // namespace murder::fleet
