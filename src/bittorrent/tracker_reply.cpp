// What a tracker answers: the bencoded bodies of announce and scrape replies.
#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <utility>

#include "base/error.hpp"
#include "bittorrent/announce.hpp"
#include "bittorrent/bencode.hpp"
#include "bittorrent/compact.hpp"

namespace murder {
namespace {

using bencode::Value;

/// The beginning of a body as one line of plain ASCII, for a message.
std::string excerpt(std::string_view body) {
  static constexpr std::size_t limit = 60;
  std::string out;
  for (const char c : body) {
    if (out.size() == limit) return out + "…";
    const bool visible = c > ' ' && c <= '~';
    if (visible)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  return out;
}

bool looks_like_html(std::string_view body) {
  const auto start = body.find_first_not_of(" \t\r\n");
  return start != std::string_view::npos && body[start] == '<';
}

/// A reply's keys; every complaint names the tracker.
class ReplyReader {
 public:
  explicit ReplyReader(std::string_view source) : source_(source) {}

  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(ErrorKind::failed, fmt::format("cannot read the answer of tracker {}: {}",
                                               printable(source_), reason));
  }

  /// A dictionary, or an error that says what came instead.
  Value parse(std::string_view body) const {
    if (body.empty()) fail("it is empty");
    bencode::ParseOptions options;
    options.require_sorted_keys = false;
    try {
      Value value = bencode::parse(body, options);
      if (!value.dictionary()) fail(fmt::format("it is {}, not a dictionary", value.kind_name()));
      return value;
    } catch (const bencode::SyntaxError& error) {
      if (looks_like_html(body)) fail(fmt::format("HTML, not bencode: \"{}\"", excerpt(body)));
      fail(fmt::format("not bencode ({}): \"{}\"", error.what(), excerpt(body)));
    }
  }

  std::vector<Endpoint> compact_endpoints(const Value& reply, std::string_view key_v4,
                                          std::string_view key_v6) const {
    std::vector<Endpoint> out;
    append_compact(out, reply, key_v4, append_compact_v4);
    append_compact(out, reply, key_v6, append_compact_v6);
    return out;
  }

  void append_compact(std::vector<Endpoint>& out, const Value& reply, std::string_view key,
                      bool (*append)(std::vector<Endpoint>&, std::string_view)) const {
    const Value* packed = reply.find(key);
    if (!packed) return;
    const auto bytes = packed->string();
    if (!bytes) fail(fmt::format("'{}' is {}, not a string", key, packed->kind_name()));
    if (!append(out, *bytes))
      fail(fmt::format("'{}' is {} bytes, not a whole number of addresses", key, bytes->size()));
  }

  std::vector<AnnouncedPeer> peers(const Value& reply) const {
    std::vector<AnnouncedPeer> out;
    const Value* list = reply.find("peers");
    if (list && list->list()) {
      for (const Value& item : *list->list()) append_long_form(out, item);
      return out;
    }
    for (const Endpoint& endpoint : compact_endpoints(reply, "peers", "peers6"))
      out.push_back({endpoint, std::nullopt});
    return out;
  }

 private:
  /// Peers that cannot be dialled (a name instead of an address, no port) are left out.
  void append_long_form(std::vector<AnnouncedPeer>& out, const Value& item) const {
    if (!item.dictionary()) fail(fmt::format("a peer is {}, not a dictionary", item.kind_name()));
    const auto address = IpAddress::parse(item.find_string("ip").value_or(""));
    const std::int64_t port = item.find_integer("port").value_or(0);
    if (!address || port < 1 || port > std::numeric_limits<std::uint16_t>::max()) return;
    out.push_back({{*address, static_cast<std::uint16_t>(port)},
                   PeerId::from_bytes(item.find_string("peer id").value_or(""))});
  }

  std::string_view source_;
};

/// A number of things as a tracker counts them: what is absent or below zero is 0, and what is
/// beyond 32 bits their maximum. Some trackers say -1 for "not known".
std::uint32_t count(const Value& dictionary, std::string_view key) {
  static constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max();
  const std::int64_t value = dictionary.find_integer(key).value_or(0);
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(value, 0, most));
}

std::string encode_long_form(const AnnouncedPeer& peer) {
  bencode::DictionaryEncoder out;
  out.string("ip", peer.endpoint.address.to_string());
  out.integer("port", peer.endpoint.port);
  if (peer.peer_id) out.string("peer id", peer.peer_id->view());
  return out.encode();
}

std::string encode_fleet(const FleetState& fleet) {
  const CompactEndpoints dial = encode_compact(fleet.dial);
  bencode::DictionaryEncoder out;
  out.integer("complete_hosts", fleet.complete_hosts);
  out.string("dial", dial.v4);
  out.string("dial6", dial.v6);
  out.integer("expected", fleet.expected);
  out.integer("hosts", fleet.hosts);
  out.integer("swarm_complete", fleet.swarm_complete ? 1 : 0);
  return out.encode();
}

FleetState read_fleet(const ReplyReader& reader, const Value& murder) {
  if (!murder.dictionary())
    reader.fail(fmt::format("'murder' is {}, not a dictionary", murder.kind_name()));
  FleetState fleet;
  fleet.dial = reader.compact_endpoints(murder, "dial", "dial6");
  fleet.expected = count(murder, "expected");
  fleet.hosts = count(murder, "hosts");
  fleet.complete_hosts = count(murder, "complete_hosts");
  fleet.swarm_complete = count(murder, "swarm_complete") != 0;
  return fleet;
}

/// Nothing when the tracker did not refuse.
std::string failure_reason(const Value& reply) {
  if (!reply.find("failure reason")) return {};
  const std::string_view reason = reply.find_string("failure reason").value_or("");
  return reason.empty() ? "refused without a reason" : std::string(reason);
}

}  // namespace

std::string encode_announce_reply(const AnnounceReply& reply, bool compact) {
  bencode::DictionaryEncoder out;
  if (!reply.failure_reason.empty())
    return out.string("failure reason", reply.failure_reason).encode();
  if (!reply.warning.empty()) out.string("warning message", reply.warning);
  out.integer("interval", reply.interval_s);
  if (reply.min_interval_s != 0) out.integer("min interval", reply.min_interval_s);
  out.integer("complete", reply.complete);
  out.integer("incomplete", reply.incomplete);
  if (compact) {
    std::vector<Endpoint> endpoints;
    for (const AnnouncedPeer& peer : reply.peers) endpoints.push_back(peer.endpoint);
    const CompactEndpoints packed = encode_compact(endpoints);
    out.string("peers", packed.v4);
    if (!packed.v6.empty()) out.string("peers6", packed.v6);
  } else {
    std::vector<std::string> items;
    for (const AnnouncedPeer& peer : reply.peers) items.push_back(encode_long_form(peer));
    out.encoded("peers", bencode::encode_list(items));
  }
  if (reply.fleet) out.encoded("murder", encode_fleet(*reply.fleet));
  return out.encode();
}

AnnounceReply parse_announce_reply(std::string_view body, std::string_view source) {
  const ReplyReader reader(source);
  const Value value = reader.parse(body);
  AnnounceReply reply;
  reply.failure_reason = failure_reason(value);
  if (!reply.failure_reason.empty()) return reply;
  if (!value.find("interval") && !value.find("peers"))
    reader.fail("it has neither an interval nor peers nor a failure reason");
  reply.warning = value.find_string("warning message").value_or("");
  reply.interval_s = count(value, "interval");
  reply.min_interval_s = count(value, "min interval");
  reply.complete = count(value, "complete");
  reply.incomplete = count(value, "incomplete");
  reply.peers = reader.peers(value);
  if (const Value* murder = value.find("murder")) reply.fleet = read_fleet(reader, *murder);
  return reply;
}

std::string encode_scrape_reply(const std::vector<ScrapeEntry>& entries) {
  bencode::DictionaryEncoder files;
  for (const ScrapeEntry& entry : entries)
    files.encoded(entry.info_hash.view(), bencode::DictionaryEncoder()
                                              .integer("complete", entry.complete)
                                              .integer("downloaded", entry.downloaded)
                                              .integer("incomplete", entry.incomplete)
                                              .encode());
  return bencode::DictionaryEncoder().encoded("files", files.encode()).encode();
}

std::vector<ScrapeEntry> parse_scrape_reply(std::string_view body, std::string_view source) {
  const ReplyReader reader(source);
  const Value reply = reader.parse(body);
  if (const std::string reason = failure_reason(reply); !reason.empty())
    reader.fail(fmt::format("the scrape was refused: {}", printable(reason)));
  const Value* files = reply.find("files");
  if (!files || !files->dictionary()) reader.fail("it has no 'files' dictionary");
  std::vector<ScrapeEntry> entries;
  for (const auto& [key, counts] : *files->dictionary()) {
    const auto hash = InfoHash::from_bytes(key);
    if (!hash) reader.fail(fmt::format("an info-hash of {} bytes, not 20", key.size()));
    entries.push_back({*hash, count(counts, "complete"), count(counts, "downloaded"),
                       count(counts, "incomplete")});
  }
  return entries;
}

}  // namespace murder
