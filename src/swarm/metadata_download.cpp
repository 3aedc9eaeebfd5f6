#include "swarm/metadata_download.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "bittorrent/peer_extensions.hpp"

namespace murder::swarm {
namespace {

/// Asked of a peer at once; some answer no more than so.
constexpr std::uint32_t most_asked = 8;

}  // namespace

wire::Message MetadataDownload::greeting() const {
  wire::ExtensionHandshake hello;
  hello.ut_metadata = wire::our_ut_metadata;
  hello.client = "murder " MURDER_VERSION;
  return wire::Extended{0, wire::encode_extension_handshake(hello)};
}

MetadataDownload::Outcome MetadataDownload::give_up(Outcome outcome, std::string reason) {
  reason_ = std::move(reason);
  return outcome;
}

MetadataDownload::Outcome MetadataDownload::on_message(const wire::Message& message,
                                                       std::vector<wire::Message>& reply) {
  const auto* extended = std::get_if<wire::Extended>(&message);
  if (extended == nullptr) return Outcome::going_on;
  if (extended->id == 0) return on_handshake(extended->payload, reply);
  if (extended->id != wire::our_ut_metadata) return Outcome::going_on;
  const auto said = wire::decode_metadata_message(extended->payload);
  if (!said) return give_up(Outcome::hostile, "what it sent is no message of BEP 9");
  switch (said->type) {
    case wire::MetadataMessage::Type::request:
      if (their_id_ != 0)
        reply.emplace_back(wire::Extended{
            their_id_,
            wire::encode_metadata_message({wire::MetadataMessage::Type::reject, said->piece})});
      return Outcome::going_on;
    case wire::MetadataMessage::Type::reject:
      return give_up(Outcome::useless, "it does not give its metadata");
    case wire::MetadataMessage::Type::data:
      break;
  }
  return on_data(said->piece, said->data, reply);
}

MetadataDownload::Outcome MetadataDownload::on_handshake(const std::string& payload,
                                                         std::vector<wire::Message>& reply) {
  const auto hello = wire::decode_extension_handshake(payload);
  if (!hello) return give_up(Outcome::hostile, "its extension handshake is none");
  if (size_ != 0) return Outcome::going_on;  // said once more
  if (hello->ut_metadata == 0 || hello->metadata_size == 0)
    return give_up(Outcome::useless, "it has no metadata to give");
  if (hello->metadata_size > wire::max_metadata_bytes)
    return give_up(Outcome::hostile,
                   fmt::format("it says that the metadata is {} bytes long", hello->metadata_size));
  their_id_ = hello->ut_metadata;
  size_ = hello->metadata_size;
  pieces_.resize(wire::metadata_pieces(size_));
  for (std::uint32_t i = 0; i < most_asked; ++i) request_more(reply);
  return Outcome::going_on;
}

void MetadataDownload::request_more(std::vector<wire::Message>& reply) {
  if (next_ == pieces_.size()) return;
  reply.emplace_back(wire::Extended{
      their_id_, wire::encode_metadata_message({wire::MetadataMessage::Type::request, next_++})});
}

MetadataDownload::Outcome MetadataDownload::on_data(std::uint32_t piece, const std::string& data,
                                                    std::vector<wire::Message>& reply) {
  if (piece >= next_ || pieces_[piece])
    return give_up(Outcome::hostile, fmt::format("it sent piece {} of the metadata, which nobody "
                                                 "asked for",
                                                 piece));
  const std::uint32_t begin = piece * wire::metadata_piece_bytes;
  if (data.size() != std::min(wire::metadata_piece_bytes, size_ - begin))
    return give_up(Outcome::hostile,
                   fmt::format("it sent {} bytes as piece {} of metadata of {} bytes", data.size(),
                               piece, size_));
  pieces_[piece] = data;
  request_more(reply);
  if (++received_ < pieces_.size()) return Outcome::going_on;
  metadata_.reserve(size_);
  for (auto& part : pieces_) metadata_ += *std::exchange(part, std::nullopt);
  if (InfoHash{sha1(metadata_).bytes} == info_hash_) return Outcome::done;
  metadata_.clear();
  return give_up(Outcome::hostile, "its metadata does not match the info-hash");
}

}  // namespace murder::swarm
