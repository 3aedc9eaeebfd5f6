// Metadata for those who lack it (BEP 9), and who else is in the swarm (BEP 11).
#include <algorithm>
#include <utility>

#include "bittorrent/peer_extensions.hpp"
#include "swarm/engine.hpp"
#include "swarm/engine_rules.hpp"

namespace murder::swarm {
namespace {

// Metadata.
constexpr std::uint32_t most_copies = 4;  ///< to one link
constexpr std::uint32_t most_refusals = 64;

// Peer exchange.
constexpr Duration interval = std::chrono::seconds(60);
/// Between murder peers while no tracker answers.
constexpr Duration interval_in_need = std::chrono::seconds(2);
constexpr std::size_t most_told = 50;          ///< in one message
constexpr std::uint32_t most_of_a_link = 100;  ///< taken from one peer, in all
constexpr std::size_t most_heard_of = 500;     ///< waiting to be dialled
constexpr std::size_t most_taken = 1000;       ///< in all: the book is for the tracker's, too
constexpr Duration known_peers_again = std::chrono::seconds(15);

bool is_loopback(const IpAddress& address) {
  return address.is_v4() ? address.v4_bytes()[0] == 127 : address == *IpAddress::parse("::1");
}

/// Could be a host's, and the one who says so could know it.
bool is_plausible(const Endpoint& endpoint, const Link& said_by) {
  const IpAddress& address = endpoint.address;
  if (endpoint.port == 0 || address.is_unspecified()) return false;
  if (is_loopback(address)) return is_loopback(said_by.remote.address);
  const std::uint8_t first = address.is_v4() ? address.v4_bytes()[0] : address.bytes()[0];
  return address.is_v4() ? first != 0 && first < 224 : first != 0xff;  // not multicast
}

}  // namespace

// --- metadata ---

void Engine::give_metadata(Link& link, const std::string& payload, Instant now) {
  if (!config_.metadata || link.ut_metadata == 0) return;
  const auto asked = wire::decode_metadata_message(payload);
  if (!asked || asked->type != wire::MetadataMessage::Type::request) return;
  const std::string& metadata = *config_.metadata;
  const std::uint32_t pieces = wire::metadata_pieces(metadata.size());
  wire::MetadataMessage answer{wire::MetadataMessage::Type::reject, asked->piece};
  if (asked->piece < pieces && link.metadata_given < most_copies * pieces) {
    ++link.metadata_given;
    answer.type = wire::MetadataMessage::Type::data;
    answer.total_size = static_cast<std::uint32_t>(metadata.size());
    answer.data = metadata.substr(std::size_t{asked->piece} * wire::metadata_piece_bytes,
                                  wire::metadata_piece_bytes);
  } else if (++link.metadata_refused > most_refusals) {
    drop(link.id, "asked for metadata again and again", false, now);
    return;
  }
  send(link, wire::Extended{link.ut_metadata, wire::encode_metadata_message(answer)}, now);
}

// --- peers that were named beforehand ---

/// Who has been given up is tried again while there is nobody else.
void Engine::dial_known_peers(Instant now) {
  if (config_.peers.empty() || !links_.empty() || now < known_peers_due_) return;
  known_peers_due_ = now + known_peers_again;
  for (const Endpoint& peer : config_.peers) book_.add(peer, true, now);
}

// --- peer exchange ---

/// Of a private torrent stock clients are told nobody: they get their peers from its tracker alone.
bool Engine::exchanges_peers_with(const Link& link) const {
  return config_.exchange_peers && (link.murder || !config_.is_private);
}

bool Engine::without_tracker() const { return announcer_.silent() || !announcer_.any(); }

/// Where others can dial the peer of a link, if that is known.
std::optional<Endpoint> Engine::listening_at(const Link& link) {
  if (link.outgoing) return link.remote;
  if (link.listen_port == 0) return std::nullopt;
  return Endpoint{link.remote.address, link.listen_port};
}

void Engine::tell_peers(Instant now) {
  if (!config_.exchange_peers) return;
  std::vector<std::pair<LinkId, Endpoint>> there;
  for (const auto& [id, link] : links_)
    if (const auto endpoint = listening_at(link)) there.emplace_back(id, *endpoint);
  for (auto& [id, link] : links_) {
    if (link.ut_pex == 0 || !exchanges_peers_with(link)) continue;
    const Duration wait = link.murder && without_tracker() ? interval_in_need : interval;
    if (!link.pex_said_at || now - *link.pex_said_at >= wait) tell_peers_to(link, there, now);
  }
}

void Engine::tell_peers_to(Link& link, const std::vector<std::pair<LinkId, Endpoint>>& there,
                           Instant now) {
  wire::PexMessage message;
  std::set<Endpoint> linked;
  for (const auto& [id, endpoint] : there) {
    if (id == link.id) continue;
    linked.insert(endpoint);
    if (message.added.size() < most_told && !link.pex_told.contains(endpoint))
      message.added.push_back(endpoint);
  }
  for (const Endpoint& endpoint : link.pex_told)
    if (message.dropped.size() < most_told && !linked.contains(endpoint))
      message.dropped.push_back(endpoint);
  if (message.added.empty() && message.dropped.empty()) return;
  for (const Endpoint& endpoint : message.dropped) link.pex_told.erase(endpoint);
  link.pex_told.insert(message.added.begin(), message.added.end());
  link.pex_said_at = now;
  send(link, wire::Extended{link.ut_pex, wire::encode_pex_message(message)}, now);
}

/// A peer names whom it is linked to. Nobody is dialled for that alone: see dial_heard_of().
void Engine::hear_of_peers(Link& link, const std::string& payload, Instant now) {
  if (!exchanges_peers_with(link)) return;
  // Half the time that is meant to lie between two: clocks and networks are not exact.
  const Duration soonest = (link.murder ? interval_in_need : interval) / 2;
  if (link.pex_heard_at && now - *link.pex_heard_at < soonest) return;
  link.pex_heard_at = now;
  const auto message = wire::decode_pex_message(payload);
  if (!message) return;
  for (const Endpoint& endpoint : message->dropped) std::erase(heard_of_, endpoint);
  for (const Endpoint& endpoint : message->added) {
    if (link.pex_taken >= most_of_a_link || heard_of_.size() >= most_heard_of) break;
    if (!is_plausible(endpoint, link) || book_.knows(endpoint) ||
        std::find(heard_of_.begin(), heard_of_.end(), endpoint) != heard_of_.end())
      continue;
    ++link.pex_taken;
    heard_of_.push_back(endpoint);
  }
  dial_heard_of(now);
}

/// The tracker draws a better graph than chance does: peers that were heard of are for when it is
/// silent, or leaves a host with hardly a link.
void Engine::dial_heard_of(Instant now) {
  if (heard_of_.empty() || complete()) return;
  const std::size_t enough = without_tracker() ? config_.wanted_links : few_links;
  for (std::size_t expected = links_.size() + book_.dialling();
       expected < enough && !heard_of_.empty() && heard_of_taken_ < most_taken; ++expected) {
    ++heard_of_taken_;
    // At random, so that not everybody dials the same.
    const auto chosen =
        heard_of_.begin() + static_cast<std::ptrdiff_t>(random_.below(heard_of_.size()));
    book_.add(*chosen, false, now);
    heard_of_.erase(chosen);
  }
  dial_due(now);
}

}  // namespace murder::swarm
