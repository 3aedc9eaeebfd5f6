#include "bittorrent/peer_extensions.hpp"

#include <utility>

#include "bittorrent/bencode.hpp"
#include "bittorrent/compact.hpp"

namespace murder::wire {
namespace {

bencode::ParseOptions what_peers_say() {
  bencode::ParseOptions options;
  options.require_sorted_keys = false;
  options.max_depth = 8;
  options.max_values = 4096;
  return options;
}

/// Of each kind: the rest of a message is not worth the reading.
constexpr std::size_t most_packed_bytes = std::size_t{18} * 200;

bool append_all(std::vector<Endpoint>& out, const bencode::Value& said, std::string_view v4,
                std::string_view v6) {
  const auto packed4 = said.find_string(v4).value_or("");
  const auto packed6 = said.find_string(v6).value_or("");
  return packed4.size() <= most_packed_bytes && packed6.size() <= most_packed_bytes &&
         append_compact_v4(out, packed4) && append_compact_v6(out, packed6);
}

}  // namespace

std::string encode_metadata_message(const MetadataMessage& message) {
  bencode::DictionaryEncoder out;
  out.integer("msg_type", static_cast<std::int64_t>(message.type));
  out.integer("piece", message.piece);
  if (message.type != MetadataMessage::Type::data) return out.encode();
  out.integer("total_size", message.total_size);
  return out.encode() + message.data;
}

std::optional<MetadataMessage> decode_metadata_message(std::string_view payload) {
  try {
    const bencode::Value said = bencode::parse_prefix(payload, what_peers_say());
    const auto type = said.find_integer("msg_type");
    const auto piece = said.find_integer("piece");
    if (!type || *type < 0 || *type > 2 || !piece || !std::in_range<std::uint32_t>(*piece))
      return std::nullopt;
    MetadataMessage message;
    message.type = static_cast<MetadataMessage::Type>(*type);
    message.piece = static_cast<std::uint32_t>(*piece);
    if (message.type != MetadataMessage::Type::data) return message;
    const auto total = said.find_integer("total_size");
    if (total && std::in_range<std::uint32_t>(*total))
      message.total_size = static_cast<std::uint32_t>(*total);
    message.data = payload.substr(said.raw().size());
    return message;
  } catch (const bencode::SyntaxError&) {
    return std::nullopt;
  }
}

std::string encode_pex_message(const PexMessage& message) {
  const CompactEndpoints added = encode_compact(message.added);
  const CompactEndpoints dropped = encode_compact(message.dropped);
  bencode::DictionaryEncoder out;
  out.string("added", added.v4);
  out.string("added.f", std::string(added.v4.size() / 6, '\0'));
  out.string("dropped", dropped.v4);
  if (!added.v6.empty()) {
    out.string("added6", added.v6);
    out.string("added6.f", std::string(added.v6.size() / 18, '\0'));
  }
  if (!dropped.v6.empty()) out.string("dropped6", dropped.v6);
  return out.encode();
}

std::optional<PexMessage> decode_pex_message(std::string_view payload) {
  try {
    const bencode::Value said = bencode::parse(payload, what_peers_say());
    PexMessage message;
    if (!said.dictionary() || !append_all(message.added, said, "added", "added6") ||
        !append_all(message.dropped, said, "dropped", "dropped6"))
      return std::nullopt;
    return message;
  } catch (const bencode::SyntaxError&) {
    return std::nullopt;
  }
}

}  // namespace murder::wire
