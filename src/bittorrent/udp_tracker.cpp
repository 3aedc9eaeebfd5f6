#include "bittorrent/udp_tracker.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>
#include <vector>

#include "bittorrent/compact.hpp"

namespace murder::udp_tracker {
namespace {

constexpr std::uint64_t protocol = 0x41727101980;  // of BEP 15, in place of a connection's id

enum Action : std::uint32_t { connect = 0, announce = 1, error = 3 };

// BEP 41
constexpr char url_data = 2;
constexpr std::size_t max_option_bytes = 255;

template <class Number>
void put(std::string& out, Number number) {
  for (int shift = static_cast<int>(sizeof number) * 8 - 8; shift >= 0; shift -= 8)
    out += static_cast<char>(number >> shift & 0xff);
}

/// The number at `at`, which has to be there.
template <class Number>
Number get(std::string_view packet, std::size_t at) {
  Number number = 0;
  for (std::size_t i = 0; i < sizeof number; ++i)
    number = static_cast<Number>(number << 8 | static_cast<std::uint8_t>(packet[at + i]));
  return number;
}

std::uint32_t number_of(AnnounceEvent event) {
  switch (event) {
    case AnnounceEvent::completed:
      return 1;
    case AnnounceEvent::started:
      return 2;
    case AnnounceEvent::stopped:
      return 3;
    case AnnounceEvent::none:
      break;
  }
  return 0;
}

/// Counts and times are signed there.
std::uint32_t count(std::string_view packet, std::size_t at) {
  const auto number = get<std::uint32_t>(packet, at);
  return number > 0x7fffffff ? 0 : number;
}

std::variant<Malformed, Connected, AnnounceReply, Refused> decode_body(std::string_view packet,
                                                                       bool over_v6) {
  constexpr std::size_t connect_bytes = 16;
  constexpr std::size_t announce_bytes = 20;
  const auto action = get<std::uint32_t>(packet, 0);
  const auto wrong_size = [&](std::string_view what) {
    return Malformed{fmt::format("an answer of {} bytes to {}", packet.size(), what)};
  };
  switch (action) {
    case connect:
      if (packet.size() < connect_bytes) return wrong_size("a connect");
      return Connected{ConnectionId(get<std::uint64_t>(packet, 8))};
    case announce: {
      if (packet.size() < announce_bytes) return wrong_size("an announce");
      AnnounceReply reply;
      reply.interval_s = count(packet, 8);
      reply.incomplete = count(packet, 12);
      reply.complete = count(packet, 16);
      std::vector<Endpoint> peers;
      const std::string_view packed = packet.substr(announce_bytes);
      if (!(over_v6 ? append_compact_v6(peers, packed) : append_compact_v4(peers, packed)))
        return wrong_size("an announce");
      for (const Endpoint& peer : peers) reply.peers.push_back({peer, std::nullopt});
      return reply;
    }
    case error: {
      std::string_view reason = packet.substr(8);
      while (reason.ends_with('\0')) reason.remove_suffix(1);
      return Refused{std::string(reason)};
    }
    default:
      return Malformed{fmt::format("an answer of kind {}", action)};
  }
}

}  // namespace

std::string encode_connect(TransactionId transaction) {
  std::string out;
  put(out, protocol);
  put(out, std::uint32_t{connect});
  put(out, transaction.value());
  return out;
}

std::string encode_announce(ConnectionId connection, TransactionId transaction,
                            const AnnounceRequest& request, std::uint32_t key,
                            std::string_view target) {
  constexpr std::uint32_t as_many_as_usual = 0xffffffff;
  std::string out;
  put(out, connection.value());
  put(out, std::uint32_t{announce});
  put(out, transaction.value());
  out += request.info_hash.view();
  out += request.peer_id.view();
  put(out, request.downloaded);
  put(out, request.left);
  put(out, request.uploaded);
  put(out, number_of(request.event));
  if (request.ip && request.ip->is_v4())
    for (const std::uint8_t byte : request.ip->v4_bytes()) out += static_cast<char>(byte);
  else
    put(out, std::uint32_t{0});  // the address that the packet comes from
  put(out, key);
  put(out, request.numwant.value_or(as_many_as_usual));
  put(out, request.port);
  for (; !target.empty(); target.remove_prefix(std::min(max_option_bytes, target.size()))) {
    const std::string_view part = target.substr(0, max_option_bytes);
    out += url_data;
    out += static_cast<char>(static_cast<std::uint8_t>(part.size()));
    out += part;
  }
  return out;
}

Reply decode_reply(std::string_view packet, bool over_v6) {
  if (packet.size() < 8)
    return {std::nullopt, Malformed{fmt::format("an answer of {} bytes", packet.size())}};
  return {TransactionId(get<std::uint32_t>(packet, 4)), decode_body(packet, over_v6)};
}

}  // namespace murder::udp_tracker
