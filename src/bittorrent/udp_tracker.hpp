// What is said between a client and a UDP tracker (BEP 15; BEP 41 for the path of its URL): packets
// of a few bytes, in network order. Anyone can send us one, so that a wrong one is a value and not
// an exception. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/units.hpp"
#include "bittorrent/announce.hpp"

namespace murder::udp_tracker {

/// Given by the tracker, so that it knows that whoever announces can be reached where he says he
/// is.
using ConnectionId = Id<struct ConnectionIdTag, std::uint64_t>;
/// Picked by the client; the answer repeats it.
using TransactionId = Id<struct TransactionIdTag>;

/// No packet is larger.
constexpr std::size_t max_packet_bytes = 65'536;

std::string encode_connect(TransactionId transaction);
/// `key`: stays the same for as long as the client runs. `target`: path and query of the tracker's
/// URL, sent as BEP 41 has it unless empty. What murder peers say beyond BEP 3 has no place here.
std::string encode_announce(ConnectionId connection, TransactionId transaction,
                            const AnnounceRequest& request, std::uint32_t key,
                            std::string_view target);

/// A connect was granted.
struct Connected {
  ConnectionId connection;
};
/// The tracker's own error message.
struct Refused {
  std::string reason;
};
/// Not what BEP 15 describes.
struct Malformed {
  std::string reason;  ///< "an answer of 17 bytes to an announce"
};

struct Reply {
  std::optional<TransactionId> transaction;  ///< nullopt: it is too short to hold one
  std::variant<Malformed, Connected, AnnounceReply, Refused> body;
};

/// `over_v6`: how the tracker was asked, which decides how long a peer is (18 or 6 bytes). Peers
/// that cannot be dialled (port 0) are left out; counts below 0 are 0. Never throws.
Reply decode_reply(std::string_view packet, bool over_v6);

}  // namespace murder::udp_tracker
