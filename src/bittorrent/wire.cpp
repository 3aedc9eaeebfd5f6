#include "bittorrent/wire.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <utility>

#include "bittorrent/bencode.hpp"

namespace murder::wire {
namespace {

constexpr std::string_view protocol =
    "\x13"
    "BitTorrent protocol";
constexpr std::size_t reserved_size = 8;
constexpr std::size_t extensions_byte = 5;
constexpr unsigned extensions_bit = 0x10;
constexpr std::size_t fast_byte = 7;
constexpr unsigned fast_bit = 0x04;

enum class Id : std::uint8_t {
  choke = 0,
  unchoke = 1,
  interested = 2,
  not_interested = 3,
  have = 4,
  bitfield = 5,
  request = 6,
  piece = 7,
  cancel = 8,
  port = 9,
  suggest = 13,
  have_all = 14,
  have_none = 15,
  reject = 16,
  allowed_fast = 17,
  extended = 20,
};

constexpr std::size_t length_prefix = 4;
constexpr std::uint32_t piece_overhead =
    9;  // id, index, begin: what a piece's length counts beside its data

void put_u32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>(static_cast<std::uint8_t>(value >> shift));
}

std::uint32_t get_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

void put_head(std::string& out, std::uint32_t payload_bytes, std::uint8_t id) {
  put_u32(out, payload_bytes + 1);
  out += static_cast<char>(id);
}
void put_head(std::string& out, std::uint32_t payload_bytes, Id id) {
  put_head(out, payload_bytes, static_cast<std::uint8_t>(id));
}

void put_index(std::string& out, Id id, PieceIndex piece) {
  put_head(out, 4, id);
  put_u32(out, piece.value());
}

void put_block(std::string& out, Id id, const Block& block) {
  put_head(out, 12, id);
  put_u32(out, block.piece.value());
  put_u32(out, block.begin);
  put_u32(out, block.length);
}

struct Appender {
  std::string& out;

  void operator()(const KeepAlive&) const { put_u32(out, 0); }
  void operator()(const Choke&) const { put_head(out, 0, Id::choke); }
  void operator()(const Unchoke&) const { put_head(out, 0, Id::unchoke); }
  void operator()(const Interested&) const { put_head(out, 0, Id::interested); }
  void operator()(const NotInterested&) const { put_head(out, 0, Id::not_interested); }
  void operator()(const Have& m) const { put_index(out, Id::have, m.piece); }
  void operator()(const Bitfield& m) const {
    put_head(out, static_cast<std::uint32_t>(m.bits.size()), Id::bitfield);
    out += m.bits;
  }
  void operator()(const Request& m) const { put_block(out, Id::request, m.block); }
  void operator()(const Cancel& m) const { put_block(out, Id::cancel, m.block); }
  void operator()(const Piece& m) const {
    put_head(out, 8 + m.block.length, Id::piece);
    put_u32(out, m.block.piece.value());
    put_u32(out, m.block.begin);
  }
  void operator()(const Port& m) const {
    put_head(out, 2, Id::port);
    out += static_cast<char>(m.port >> 8);
    out += static_cast<char>(m.port & 0xff);
  }
  void operator()(const Suggest& m) const { put_index(out, Id::suggest, m.piece); }
  void operator()(const HaveAll&) const { put_head(out, 0, Id::have_all); }
  void operator()(const HaveNone&) const { put_head(out, 0, Id::have_none); }
  void operator()(const Reject& m) const { put_block(out, Id::reject, m.block); }
  void operator()(const AllowedFast& m) const { put_index(out, Id::allowed_fast, m.piece); }
  void operator()(const Extended& m) const {
    put_head(out, static_cast<std::uint32_t>(m.payload.size() + 1), Id::extended);
    out += static_cast<char>(m.id);
    out += m.payload;
  }
  void operator()(const Unknown& m) const { put_head(out, 0, m.id); }
};

Decoded malformed(std::string reason) {
  Decoded decoded;
  decoded.status = Decoded::Status::malformed;
  decoded.reason = std::move(reason);
  return decoded;
}

Decoded taken(Message message, std::size_t consumed) {
  Decoded decoded;
  decoded.status = Decoded::Status::message;
  decoded.message = std::move(message);
  decoded.consumed = consumed;
  return decoded;
}

/// What the length of a message with a known id has to be.
struct Shape {
  std::string_view name;
  std::uint32_t min_length = 1;  ///< of id and payload
  bool exact = true;
};

Shape shape_of(std::uint8_t id) {
  switch (static_cast<Id>(id)) {
    case Id::choke:
      return {"choke", 1};
    case Id::unchoke:
      return {"unchoke", 1};
    case Id::interested:
      return {"interested", 1};
    case Id::not_interested:
      return {"not interested", 1};
    case Id::have:
      return {"have", 5};
    case Id::bitfield:
      return {"bitfield", 1, false};
    case Id::request:
      return {"request", 13};
    case Id::piece:
      return {"piece", piece_overhead + 1, false};
    case Id::cancel:
      return {"cancel", 13};
    case Id::port:
      return {"port", 3};
    case Id::suggest:
      return {"suggest", 5};
    case Id::have_all:
      return {"have all", 1};
    case Id::have_none:
      return {"have none", 1};
    case Id::reject:
      return {"reject", 13};
    case Id::allowed_fast:
      return {"allowed fast", 5};
    case Id::extended:
      return {"extended", 2, false};
  }
  return {"unknown", 1, false};
}

/// A whole message but a piece; `body` is id and payload, of a length that fits the id.
Message read_body(std::string_view body) {
  const auto piece = [&] { return PieceIndex(get_u32(body, 1)); };
  const auto block = [&] { return Block{piece(), get_u32(body, 5), get_u32(body, 9)}; };
  const auto id = static_cast<std::uint8_t>(body[0]);
  switch (static_cast<Id>(id)) {
    case Id::choke:
      return Choke{};
    case Id::unchoke:
      return Unchoke{};
    case Id::interested:
      return Interested{};
    case Id::not_interested:
      return NotInterested{};
    case Id::have:
      return Have{piece()};
    case Id::bitfield:
      return Bitfield{std::string(body.substr(1))};
    case Id::request:
      return Request{block()};
    case Id::cancel:
      return Cancel{block()};
    case Id::port:
      return Port{static_cast<std::uint16_t>(static_cast<std::uint8_t>(body[1]) << 8 |
                                             static_cast<std::uint8_t>(body[2]))};
    case Id::suggest:
      return Suggest{piece()};
    case Id::have_all:
      return HaveAll{};
    case Id::have_none:
      return HaveNone{};
    case Id::reject:
      return Reject{block()};
    case Id::allowed_fast:
      return AllowedFast{piece()};
    case Id::extended:
      return Extended{static_cast<std::uint8_t>(body[1]), std::string(body.substr(2))};
    case Id::piece:
      break;
  }
  return Unknown{id};
}

/// A number that a peer says, when it fits T; else 0, which means "not said".
template <class T>
T said(const bencode::Value& dictionary, std::string_view key) {
  const auto value = dictionary.find_integer(key);
  return value && std::in_range<T>(*value) ? static_cast<T>(*value) : T{0};
}

}  // namespace

std::string encode_handshake(const Handshake& handshake) {
  std::string reserved(reserved_size, '\0');
  if (handshake.extensions) reserved[extensions_byte] = static_cast<char>(extensions_bit);
  if (handshake.fast) reserved[fast_byte] = static_cast<char>(fast_bit);
  std::string out;
  out.reserve(handshake_size);
  out += protocol;
  out += reserved;
  out += handshake.info_hash.view();
  out += handshake.peer_id.view();
  return out;
}

std::optional<Handshake> decode_handshake(std::string_view bytes) {
  if (bytes.size() != handshake_size || !bytes.starts_with(protocol)) return std::nullopt;
  const std::string_view reserved = bytes.substr(protocol.size(), reserved_size);
  const std::string_view ids = bytes.substr(protocol.size() + reserved_size);
  Handshake handshake;
  handshake.extensions =
      (static_cast<unsigned char>(reserved[extensions_byte]) & extensions_bit) != 0;
  handshake.fast = (static_cast<unsigned char>(reserved[fast_byte]) & fast_bit) != 0;
  handshake.info_hash = *InfoHash::from_bytes(ids.substr(0, InfoHash::size));
  handshake.peer_id = *PeerId::from_bytes(ids.substr(InfoHash::size));
  return handshake;
}

void append(std::string& out, const Message& message) { std::visit(Appender{out}, message); }

Decoded decode(std::string_view bytes, const Limits& limits) {
  if (bytes.size() < length_prefix) return {};
  const std::uint32_t length = get_u32(bytes, 0);
  if (length == 0) return taken(KeepAlive{}, length_prefix);
  const std::uint64_t longest_piece = std::uint64_t{limits.max_block_bytes} + piece_overhead;
  if (length > std::max<std::uint64_t>(limits.max_message_bytes, longest_piece))
    return malformed(fmt::format("a message of {} bytes", length));
  if (bytes.size() <= length_prefix) return {};

  const auto id = static_cast<std::uint8_t>(bytes[length_prefix]);
  const Shape shape = shape_of(id);
  const bool is_piece = static_cast<Id>(id) == Id::piece;
  if (shape.exact ? length != shape.min_length : length < shape.min_length)
    return malformed(fmt::format("a message '{}' of {} bytes, not {}{}", shape.name, length,
                                 shape.min_length, shape.exact ? "" : " or more"));
  if (length > (is_piece ? longest_piece : limits.max_message_bytes))
    return malformed(fmt::format("a message '{}' (id {}) of {} bytes", shape.name, id, length));

  if (is_piece) {
    constexpr std::size_t header = length_prefix + piece_overhead;
    if (bytes.size() < header) return {};
    return taken(Piece{{PieceIndex(get_u32(bytes, 5)), get_u32(bytes, 9), length - piece_overhead}},
                 header);
  }
  const std::size_t whole = length_prefix + std::size_t{length};
  if (bytes.size() < whole) return {};
  return taken(read_body(bytes.substr(length_prefix, length)), whole);
}

std::string encode_extension_handshake(const ExtensionHandshake& handshake) {
  bencode::DictionaryEncoder out;
  bencode::DictionaryEncoder offered;
  if (handshake.ut_metadata != 0) offered.integer("ut_metadata", handshake.ut_metadata);
  if (handshake.ut_pex != 0) offered.integer("ut_pex", handshake.ut_pex);
  out.encoded("m", offered.encode());
  if (handshake.metadata_size != 0) out.integer("metadata_size", handshake.metadata_size);
  if (handshake.request_queue != 0) out.integer("reqq", handshake.request_queue);
  if (handshake.listen_port != 0) out.integer("p", handshake.listen_port);
  if (handshake.upload_only) out.integer("upload_only", 1);
  if (!handshake.client.empty()) out.string("v", handshake.client);
  if (handshake.max_block_bytes != 0) {
    bencode::DictionaryEncoder murder;
    if (handshake.have_pieces != 0) murder.integer("have", handshake.have_pieces);
    murder.integer("max_block", handshake.max_block_bytes);
    out.encoded("murder", murder.encode());
  }
  return out.encode();
}

std::optional<ExtensionHandshake> decode_extension_handshake(std::string_view payload) {
  bencode::ParseOptions options;
  options.require_sorted_keys = false;
  options.max_depth = 8;
  options.max_values = 4096;
  try {
    const bencode::Value said_of_itself = bencode::parse(payload, options);
    if (!said_of_itself.dictionary()) return std::nullopt;
    ExtensionHandshake handshake;
    if (const bencode::Value* offered = said_of_itself.find("m")) {
      handshake.ut_metadata = said<std::uint8_t>(*offered, "ut_metadata");
      handshake.ut_pex = said<std::uint8_t>(*offered, "ut_pex");
    }
    handshake.metadata_size = said<std::uint32_t>(said_of_itself, "metadata_size");
    handshake.request_queue = said<std::uint32_t>(said_of_itself, "reqq");
    handshake.listen_port = said<std::uint16_t>(said_of_itself, "p");
    handshake.upload_only = said<std::uint8_t>(said_of_itself, "upload_only") != 0;
    handshake.client = said_of_itself.find_string("v").value_or("");
    if (const bencode::Value* murder = said_of_itself.find("murder")) {
      handshake.max_block_bytes = said<std::uint32_t>(*murder, "max_block");
      handshake.have_pieces = said<std::uint32_t>(*murder, "have");
    }
    return handshake;
  } catch (const bencode::SyntaxError&) {
    return std::nullopt;
  }
}

}  // namespace murder::wire
