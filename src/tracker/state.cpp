#include "tracker/state.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "bittorrent/bencode.hpp"
#include "bittorrent/compact.hpp"

namespace murder::tracker {
namespace {

using bencode::Value;

constexpr std::int64_t version = 1;

bencode::ParseOptions limits() {
  bencode::ParseOptions options;
  options.max_bytes = 512u << 20;
  options.max_values = std::numeric_limits<std::uint32_t>::max();
  return options;
}

std::int64_t signed_size(std::uint64_t bytes) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(bytes, most));
}

std::string encode_member(const MemberState& member) {
  bencode::DictionaryEncoder out;
  const CompactEndpoints at = encode_compact({member.endpoint});
  out.string("at", at.v4.empty() ? at.v6 : at.v4);
  out.string("id", member.id.view());
  out.integer("left", signed_size(member.left));
  out.integer("links", member.links);
  if (!member.name.empty()) out.string("name", member.name);
  if (member.role != AnnounceRole::stock)
    out.string("role", member.role == AnnounceRole::seeder ? "seeder" : "host");
  if (member.failed) out.integer("failed", 1);
  if (member.gone) out.integer("gone", 1);
  if (member.was_waiting) out.integer("waiting", 1);
  if (member.downloaded) out.integer("downloaded", 1);
  return out.encode();
}

std::string encode_swarm(const SwarmState& swarm) {
  std::vector<std::string> members;
  members.reserve(swarm.members.size());
  for (const MemberState& member : swarm.members) members.push_back(encode_member(member));
  std::vector<std::string> shared;
  shared.reserve(swarm.shared_names.size());
  for (const std::string& name : swarm.shared_names) shared.push_back(bencode::encode_string(name));
  return bencode::DictionaryEncoder()
      .integer("downloads", swarm.downloads)
      .string("info_hash", swarm.info_hash.view())
      .encoded("members", bencode::encode_list(members))
      .integer("most_left", signed_size(swarm.most_left))
      .encoded("shared_names", bencode::encode_list(shared))
      .encode();
}

/// What the file says; every complaint names it.
class StateReader {
 public:
  explicit StateReader(std::string_view source) : source_(source) {}

  [[noreturn]] void fail(std::string_view reason) const {
    throw Error(ErrorKind::failed,
                fmt::format("cannot read {}: it is no tracker's state ({}); if it may be lost, "
                            "remove it and the tracker begins anew",
                            printable(source_), reason));
  }

  RegistryState read(std::string_view bytes) const {
    try {
      const Value root = bencode::parse(bytes, limits());
      if (root.find_integer("murder tracker") != version)
        fail(fmt::format("no 'murder tracker' of {}", version));
      RegistryState state;
      std::set<InfoHash> known;
      for (const Value& item : list(root, "torrents")) {
        state.push_back(swarm(item));
        if (!known.insert(state.back().info_hash).second) fail("a torrent comes twice");
      }
      return state;
    } catch (const bencode::SyntaxError& error) {
      fail(error.what());
    }
  }

 private:
  const Value::List& list(const Value& in, std::string_view key) const {
    const Value* found = in.find(key);
    if (found == nullptr || found->list() == nullptr) fail(fmt::format("no list '{}'", key));
    return *found->list();
  }
  template <class Number>
  Number number(const Value& in, std::string_view key) const {
    const auto value = in.find_integer(key);
    constexpr std::uint64_t most = std::numeric_limits<Number>::max();
    if (!value || *value < 0 || static_cast<std::uint64_t>(*value) > most)
      fail(fmt::format("no number '{}'", key));
    return static_cast<Number>(*value);
  }
  template <class D>
  D digest(const Value& in, std::string_view key) const {
    const auto value = D::from_bytes(in.find_string(key).value_or(""));
    if (!value) fail(fmt::format("no {} bytes of '{}'", D::size, key));
    return *value;
  }
  static bool flag(const Value& in, std::string_view key) { return in.find_integer(key) == 1; }

  SwarmState swarm(const Value& in) const {
    SwarmState swarm;
    swarm.info_hash = digest<InfoHash>(in, "info_hash");
    swarm.downloads = number<std::uint32_t>(in, "downloads");
    swarm.most_left = number<std::uint64_t>(in, "most_left");
    for (const Value& name : list(in, "shared_names")) {
      if (!name.string()) fail("a name that is no string");
      swarm.shared_names.emplace_back(*name.string());
    }
    std::set<PeerId> ids;
    std::set<Endpoint> endpoints;
    for (const Value& item : list(in, "members")) {
      swarm.members.push_back(member(item));
      if (!ids.insert(swarm.members.back().id).second) fail("a peer comes twice");
      // Who has left may have been there before another came.
      if (!swarm.members.back().gone && !endpoints.insert(swarm.members.back().endpoint).second)
        fail("two peers at one endpoint");
    }
    return swarm;
  }

  MemberState member(const Value& in) const {
    MemberState member;
    member.id = digest<PeerId>(in, "id");
    const std::string_view at = in.find_string("at").value_or("");
    std::vector<Endpoint> endpoints;
    const bool is_packed =
        at.size() == 6 ? append_compact_v4(endpoints, at) : append_compact_v6(endpoints, at);
    if (!is_packed || endpoints.size() != 1) fail("no endpoint 'at'");
    member.endpoint = endpoints.front();
    member.name = std::string(in.find_string("name").value_or(""));
    member.left = number<std::uint64_t>(in, "left");
    member.links = number<std::uint32_t>(in, "links");
    const std::string_view role = in.find_string("role").value_or("");
    if (role == "seeder")
      member.role = AnnounceRole::seeder;
    else if (role == "host")
      member.role = AnnounceRole::host;
    else if (!role.empty())
      fail("a role that there is not");
    member.failed = flag(in, "failed");
    member.gone = flag(in, "gone");
    if (member.gone && member.role == AnnounceRole::seeder) fail("a seeder that left");
    member.was_waiting = flag(in, "waiting");
    member.downloaded = flag(in, "downloaded");
    return member;
  }

  std::string_view source_;
};

}  // namespace

std::string encode_state(const RegistryState& state) {
  std::vector<std::string> swarms;
  swarms.reserve(state.size());
  for (const SwarmState& swarm : state) swarms.push_back(encode_swarm(swarm));
  return bencode::DictionaryEncoder()
      .integer("murder tracker", version)
      .encoded("torrents", bencode::encode_list(swarms))
      .encode();
}

RegistryState parse_state(std::string_view bytes, std::string_view source) {
  return StateReader(source).read(bytes);
}

}  // namespace murder::tracker
