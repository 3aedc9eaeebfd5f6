// The peer wire: handshake and messages of BEP 3, BEP 6 (fast) and BEP 10 (extensions). No I/O.
//
// A decoder looks at received bytes and takes one message at a time. The payload of `piece` is left
// where it is: the message says only where it belongs and how long it is, so that a driver can
// receive it straight into place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/digest.hpp"
#include "base/units.hpp"

namespace murder::wire {

inline constexpr std::size_t handshake_size = 68;

struct Handshake {
  bool fast = false;        ///< BEP 6
  bool extensions = false;  ///< BEP 10
  InfoHash info_hash;
  PeerId peer_id;
  friend bool operator==(const Handshake&, const Handshake&) = default;
};
std::string encode_handshake(const Handshake& handshake);
/// From exactly handshake_size bytes; nullopt when it is not BitTorrent.
std::optional<Handshake> decode_handshake(std::string_view bytes);

/// A range of one piece, in bytes.
struct Block {
  PieceIndex piece;
  std::uint32_t begin = 0;
  std::uint32_t length = 0;
  friend auto operator<=>(const Block&, const Block&) = default;
};

struct KeepAlive {
  friend bool operator==(const KeepAlive&, const KeepAlive&) = default;
};
struct Choke {
  friend bool operator==(const Choke&, const Choke&) = default;
};
struct Unchoke {
  friend bool operator==(const Unchoke&, const Unchoke&) = default;
};
struct Interested {
  friend bool operator==(const Interested&, const Interested&) = default;
};
struct NotInterested {
  friend bool operator==(const NotInterested&, const NotInterested&) = default;
};
struct Have {
  PieceIndex piece;
  friend bool operator==(const Have&, const Have&) = default;
};
/// Raw bits, high bit first, as sent; the number of pieces is the receiver's to check.
struct Bitfield {
  std::string bits;
  friend bool operator==(const Bitfield&, const Bitfield&) = default;
};
struct Request {
  Block block;
  friend bool operator==(const Request&, const Request&) = default;
};
struct Cancel {
  Block block;
  friend bool operator==(const Cancel&, const Cancel&) = default;
};
/// The 13 bytes before the data; `block.length` bytes follow on the wire.
struct Piece {
  Block block;
  friend bool operator==(const Piece&, const Piece&) = default;
};
struct Port {
  std::uint16_t port = 0;
  friend bool operator==(const Port&, const Port&) = default;
};
struct Suggest {
  PieceIndex piece;
  friend bool operator==(const Suggest&, const Suggest&) = default;
};
struct HaveAll {
  friend bool operator==(const HaveAll&, const HaveAll&) = default;
};
struct HaveNone {
  friend bool operator==(const HaveNone&, const HaveNone&) = default;
};
struct Reject {
  Block block;
  friend bool operator==(const Reject&, const Reject&) = default;
};
struct AllowedFast {
  PieceIndex piece;
  friend bool operator==(const AllowedFast&, const AllowedFast&) = default;
};
struct Extended {
  std::uint8_t id = 0;  ///< 0: the extension handshake
  std::string payload;
  friend bool operator==(const Extended&, const Extended&) = default;
};
/// A message with an id that we do not know; skipped, as BEP 3 practice has it.
struct Unknown {
  std::uint8_t id = 0;
  friend bool operator==(const Unknown&, const Unknown&) = default;
};

using Message = std::variant<KeepAlive, Choke, Unchoke, Interested, NotInterested, Have, Bitfield,
                             Request, Cancel, Piece, Port, Suggest, HaveAll, HaveNone, Reject,
                             AllowedFast, Extended, Unknown>;

/// Appends the encoded message. For Piece: the 13 header bytes only.
void append(std::string& out, const Message& message);

struct Limits {
  std::uint32_t max_message_bytes = 1u << 20;  ///< anything but piece: bitfields, extensions
  std::uint32_t max_block_bytes = 1u << 20;    ///< data of one piece message
};

struct Decoded {
  enum class Status { message, need_more, malformed } status = Status::need_more;
  Message message;           ///< when status is message
  std::size_t consumed = 0;  ///< bytes taken; for Piece 13, the data follows
  std::string reason;        ///< when malformed: what was wrong, for the log
};
/// Takes the first message of `bytes`. A length that does not fit its id or the limits is malformed
/// as soon as the id has come. Whether pieces and ranges exist is the receiver's to check.
Decoded decode(std::string_view bytes, const Limits& limits);

/// BEP 10: what a peer says of itself. murder's own keys are under "murder", skipped by others (see
/// docs/wire.md).
struct ExtensionHandshake {
  std::uint8_t ut_metadata = 0;  ///< the id under which they take it; 0: not offered (BEP 9)
  std::uint8_t ut_pex = 0;       ///< BEP 11
  std::uint32_t metadata_size = 0;
  std::uint32_t request_queue = 0;    ///< reqq: requests they hold at once; 0: not said
  std::uint16_t listen_port = 0;      ///< p; 0: not said
  bool upload_only = false;           ///< BEP 21
  std::string client;                 ///< v
  std::uint32_t max_block_bytes = 0;  ///< murder: the longest request they answer; 0: not murder
  std::uint32_t have_pieces = 0;      ///< murder: how many pieces they have
  friend bool operator==(const ExtensionHandshake&, const ExtensionHandshake&) = default;
};
std::string encode_extension_handshake(const ExtensionHandshake& handshake);
/// nullopt when it is not a bencoded dictionary. Keys of a wrong type or out of range are ignored.
std::optional<ExtensionHandshake> decode_extension_handshake(std::string_view payload);

}  // namespace murder::wire
