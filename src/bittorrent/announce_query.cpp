// What clients ask of a tracker: the query strings of announce and scrape.
#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <optional>

#include "base/error.hpp"
#include "bittorrent/announce.hpp"
#include "bittorrent/query_string.hpp"

namespace murder {
namespace {

constexpr std::size_t max_text_bytes = 255;  // of `key` and `mu_name`

[[noreturn]] void refuse(std::string_view key, const std::string& reason) {
  throw Error(ErrorKind::usage, fmt::format("{}: {}", key, reason));
}

/// The keys that mean something to a tracker; others are skipped undecoded.
constexpr std::array<std::string_view, 15> known_keys{
    "info_hash", "peer_id", "port", "uploaded", "downloaded", "left",    "event",    "compact",
    "numwant",   "ip",      "key",  "mu_role",  "mu_links",   "mu_name", "mu_failed"};

/// The decoded values of the known keys of one query.
class Answers {
 public:
  explicit Answers(std::string_view query) {
    for (const auto& [key, value] : split_query(query)) {
      const auto known = std::ranges::find(known_keys, key);
      if (known == known_keys.end()) continue;
      auto& slot = values_[static_cast<std::size_t>(known - known_keys.begin())];
      if (slot) refuse(key, "given twice");
      slot = percent_decode(value, key);
    }
  }

  const std::optional<std::string>& find(std::string_view key) const {
    const auto known = std::ranges::find(known_keys, key);
    return values_[static_cast<std::size_t>(known - known_keys.begin())];
  }

  const std::string& require(std::string_view key) const {
    const auto& value = find(key);
    if (!value) refuse(key, "missing");
    return *value;
  }

  template <class D>
  D digest(std::string_view key) const {
    const std::string& raw = require(key);
    const auto value = D::from_bytes(raw);
    if (!value) refuse(key, fmt::format("{} bytes, not {}", raw.size(), D::size));
    return *value;
  }

  template <class T>
  static T number(std::string_view key, std::string_view text) {
    T value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, ec] = std::from_chars(text.data(), end, value);
    if (text.empty() || ec != std::errc() || stop != end)
      refuse(key, fmt::format("'{}' is not a number in range", printable(text, 40)));
    return value;
  }

  template <class T>
  std::optional<T> number(std::string_view key) const {
    const auto& text = find(key);
    return text ? std::optional(number<T>(key, *text)) : std::nullopt;
  }

  std::string short_text(std::string_view key) const {
    const auto& text = find(key);
    if (!text) return {};
    if (text->size() > max_text_bytes)
      refuse(key, fmt::format("{} bytes, more than {}", text->size(), max_text_bytes));
    return *text;
  }

  bool flag(std::string_view key) const {
    const auto& text = find(key);
    if (!text || *text == "0") return false;
    if (*text != "1") refuse(key, fmt::format("'{}' is neither 0 nor 1", printable(*text, 40)));
    return true;
  }

 private:
  std::array<std::optional<std::string>, known_keys.size()> values_;
};

std::string_view event_name(AnnounceEvent event) {
  switch (event) {
    case AnnounceEvent::started:
      return "started";
    case AnnounceEvent::completed:
      return "completed";
    case AnnounceEvent::stopped:
      return "stopped";
    case AnnounceEvent::none:
      break;
  }
  return {};
}

/// Events that we do not know (such as "paused", BEP 21) are announces like any other.
AnnounceEvent read_event(const std::optional<std::string>& name) {
  for (const auto event :
       {AnnounceEvent::started, AnnounceEvent::completed, AnnounceEvent::stopped})
    if (name == event_name(event)) return event;
  return AnnounceEvent::none;
}

void read_murder_keys(const Answers& answers, AnnounceRequest& request) {
  const auto& role = answers.find("mu_role");
  if (!role) return;
  if (*role == "seeder")
    request.role = AnnounceRole::seeder;
  else if (*role == "host")
    request.role = AnnounceRole::host;
  else
    refuse("mu_role", fmt::format("'{}' is neither seeder nor host", printable(*role, 40)));
  request.links = answers.number<std::uint32_t>("mu_links").value_or(0);
  request.host_name = answers.short_text("mu_name");
  request.failed = answers.flag("mu_failed");
}

}  // namespace

std::string to_query(const AnnounceRequest& request) {
  std::string out = fmt::format(
      "info_hash={}&peer_id={}&port={}&uploaded={}&downloaded={}&left={}&compact={}",
      percent_encode(request.info_hash.view()), percent_encode(request.peer_id.view()),
      request.port, request.uploaded, request.downloaded, request.left, request.compact ? 1 : 0);
  const auto add = [&](std::string_view key, std::string_view value) {
    out += fmt::format("&{}={}", key, percent_encode(value));
  };
  if (request.event != AnnounceEvent::none) add("event", event_name(request.event));
  if (request.numwant) add("numwant", std::to_string(*request.numwant));
  if (request.ip) add("ip", request.ip->to_string());
  if (!request.key.empty()) add("key", request.key);
  if (request.role != AnnounceRole::stock) {
    add("mu_role", request.role == AnnounceRole::seeder ? "seeder" : "host");
    add("mu_links", std::to_string(request.links));
    if (!request.host_name.empty()) add("mu_name", request.host_name);
    if (request.failed) add("mu_failed", "1");
  }
  return out;
}

AnnounceRequest parse_announce_query(std::string_view query) {
  const Answers answers(query);
  AnnounceRequest request;
  request.info_hash = answers.digest<InfoHash>("info_hash");
  request.peer_id = answers.digest<PeerId>("peer_id");
  request.port = Answers::number<std::uint16_t>("port", answers.require("port"));
  if (request.port == 0) refuse("port", "0 cannot be connected to");
  request.left = Answers::number<std::uint64_t>("left", answers.require("left"));
  request.uploaded = answers.number<std::uint64_t>("uploaded").value_or(0);
  request.downloaded = answers.number<std::uint64_t>("downloaded").value_or(0);
  request.event = read_event(answers.find("event"));
  request.compact = answers.find("compact") != "0";  // BEP 23: compact unless refused
  request.numwant = answers.number<std::uint32_t>("numwant");
  // BEP 3 allows a name here; an address is all that can be passed on.
  if (const auto& ip = answers.find("ip")) request.ip = IpAddress::parse(*ip);
  request.key = answers.short_text("key");
  read_murder_keys(answers, request);
  return request;
}

std::vector<InfoHash> parse_scrape_query(std::string_view query) {
  std::vector<InfoHash> wanted;
  for (const auto& [key, value] : split_query(query)) {
    if (key != "info_hash") continue;
    const std::string raw = percent_decode(value, key);
    const auto hash = InfoHash::from_bytes(raw);
    if (!hash) refuse(key, fmt::format("{} bytes, not {}", raw.size(), InfoHash::size));
    if (std::ranges::find(wanted, *hash) == wanted.end()) wanted.push_back(*hash);
  }
  return wanted;
}

}  // namespace murder
