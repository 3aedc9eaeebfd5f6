#include "bittorrent/magnet.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "bittorrent/query_string.hpp"

namespace murder {
namespace {

constexpr std::string_view scheme = "magnet:?";
constexpr std::size_t max_uri_bytes = std::size_t{64} * 1024;
constexpr std::size_t most_of_a_key = 64;

[[noreturn]] void refuse(std::string_view uri, const std::string& why) {
  throw Error(ErrorKind::usage,
              fmt::format("cannot use the magnet link '{}': {}", printable(uri, 200), why));
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// RFC 4648, without padding; empty when it is none.
std::string from_base32(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char given : text) {
    const char c = lower(given);
    std::uint32_t value = 0;
    if (c >= 'a' && c <= 'z')
      value = static_cast<std::uint32_t>(c - 'a');
    else if (c >= '2' && c <= '7')
      value = static_cast<std::uint32_t>(c - '2' + 26);
    else
      return {};
    bits = (bits << 5 | value) & 0xfff;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(static_cast<std::uint8_t>(bits >> count));
  }
  return bytes;
}

std::optional<InfoHash> read_hash(std::string_view text) {
  if (text.size() == 2 * InfoHash::size) {
    std::string hex;
    for (const char c : text) hex += lower(c);
    return InfoHash::from_hex(hex);
  }
  if (text.size() == 32) return InfoHash::from_bytes(from_base32(text));
  return std::nullopt;
}

/// "tr", and "tr.1", "tr.2" of those who number them.
bool is_key(std::string_view key, std::string_view wanted) {
  return key == wanted || (key.starts_with(wanted) && key[wanted.size()] == '.');
}

}  // namespace

bool is_magnet(std::string_view text) {
  if (text.size() < 7) return false;
  std::string begin;
  for (const char c : text.substr(0, 7)) begin += lower(c);
  return begin == "magnet:";
}

Magnet parse_magnet(std::string_view uri) {
  if (uri.size() > max_uri_bytes) refuse(uri, "it is too long");
  if (!is_magnet(uri) || uri.substr(7, 1) != "?") refuse(uri, "it does not begin with magnet:?");
  Magnet magnet;
  bool has_hash = false;
  bool has_v2 = false;
  const auto add = [&](auto& list, auto value, std::string_view key) {
    if (list.size() == most_of_a_key)
      refuse(uri, fmt::format("it has more than {} of '{}'", most_of_a_key, key));
    for (const auto& there : list)
      if (there == value) return;
    list.push_back(std::move(value));
  };
  for (const auto& [key, encoded] : split_query(uri.substr(scheme.size()))) {
    const std::string value = percent_decode(encoded, key);
    if (is_key(key, "xt")) {
      static constexpr std::string_view v1 = "urn:btih:";
      has_v2 |= value.starts_with("urn:btmh:");
      if (!value.starts_with(v1)) continue;
      const auto hash = read_hash(std::string_view(value).substr(v1.size()));
      if (!hash) refuse(uri, "its info-hash is neither 40 hexadecimal digits nor 32 of base 32");
      if (has_hash && *hash != magnet.info_hash) refuse(uri, "it names two torrents");
      magnet.info_hash = *hash;
      has_hash = true;
    } else if (key == "dn") {
      magnet.name = value;
    } else if (is_key(key, "tr") && !value.empty()) {
      add(magnet.trackers, value, "tr");
    } else if (is_key(key, "ws") && !value.empty()) {
      add(magnet.web_seeds, value, "ws");
    } else if (is_key(key, "x.pe")) {
      const auto peer = Endpoint::parse(value);
      if (!peer || peer->port == 0)
        refuse(uri, fmt::format("its peer '{}' is not ADDRESS:PORT", printable(value, 80)));
      add(magnet.peers, *peer, "x.pe");
    }
  }
  if (!has_hash)
    refuse(uri, has_v2 ? "it names a BitTorrent v2 torrent alone; murder carries v1 and hybrid ones"
                       : "it has no info-hash (xt=urn:btih:…)");
  return magnet;
}

std::string Magnet::to_string() const {
  std::string uri = fmt::format("{}xt=urn:btih:{}", scheme, info_hash.hex());
  if (!name.empty()) uri += "&dn=" + percent_encode(name);
  for (const std::string& tracker : trackers) uri += "&tr=" + percent_encode(tracker);
  for (const std::string& url : web_seeds) uri += "&ws=" + percent_encode(url);
  // As others write it: the colons as they are.
  for (const Endpoint& peer : peers) uri += "&x.pe=" + peer.to_string();
  return uri;
}

Magnet magnet_of(const Metainfo& metainfo) {
  Magnet magnet;
  magnet.info_hash = metainfo.info_hash;
  magnet.name = metainfo.name;
  for (const auto& tier : metainfo.trackers)
    magnet.trackers.insert(magnet.trackers.end(), tier.begin(), tier.end());
  magnet.web_seeds = metainfo.web_seeds;
  return magnet;
}

}  // namespace murder
