// The links of a running node: who connects, what engine and connections tell each other.
#include "node/swarm_node.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "base/error.hpp"
#include "base/random.hpp"
#include "bittorrent/peer_extensions.hpp"
#include "net/address.hpp"

namespace murder::node {
namespace {

constexpr Duration dial_timeout = std::chrono::seconds(5);

Instant now() { return std::chrono::steady_clock::now(); }

swarm::EngineConfig make_config(const Metainfo& metainfo, const SwarmNodeOptions& options,
                                const PeerId& id, const std::vector<std::string>& trackers,
                                std::size_t web_seeds) {
  swarm::EngineConfig config;
  config.geometry = {metainfo.length, metainfo.piece_length};
  config.self = id;
  config.seeder = options.role == AnnounceRole::seeder;
  config.first = options.first;
  for (const TorrentFile& file : metainfo.files)
    if (file.is_padding) config.padding.push_back({file.offset, file.offset + file.length});
  config.trackers = trackers;
  config.web_seeds = web_seeds;
  config.peers = options.peers;
  if (metainfo.info_bytes.size() <= wire::max_metadata_bytes)
    config.metadata = std::make_shared<const std::string>(metainfo.info_bytes);
  config.is_private = metainfo.is_private;
  config.exchange_peers = true;
  config.up = options.up;
  config.down = options.down;
  return config;
}

}  // namespace

PeerId make_peer_id() {
  static constexpr std::string_view alphabet =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  Random random = Random::from_system();
  std::string id = "-MU0100-";
  while (id.size() < PeerId::size) id += alphabet[random.below(alphabet.size())];
  return *PeerId::from_bytes(id);
}

/// One connection, from before its handshake on.
class SwarmNode::Peer final : public net::PeerConnection::Owner {
 public:
  Peer(SwarmNode& node, const Endpoint& remote, bool outgoing)
      : node_(node), remote_(remote), outgoing_(outgoing) {}

  void start(boost::asio::ip::tcp::socket socket) {
    connection =
        net::PeerConnection::create(std::move(socket), *this, wire::Limits{}, node_.upload_turns_);
    connection->start();
    if (outgoing_) connection->send_handshake(node_.handshake());
  }

  const Endpoint& remote() const { return remote_; }
  bool outgoing() const { return outgoing_; }

  std::shared_ptr<net::PeerConnection> connection;
  LinkId link{0};  ///< 0: not linked (no handshake yet)

 private:
  void on_handshake(const wire::Handshake& handshake) override {
    node_.handshake_done(*this, handshake);
  }
  void on_message(const wire::Message& message) override {
    node_.engine_.on_message(link, message, now());
    node_.schedule_tick();
  }
  std::span<std::uint8_t> on_block_begin(const wire::Block& block) override {
    if (!node_.engine_.on_block_begin(link, block, now())) return {};
    receiving_ = node_.payload_.buffer(block.piece);
    return std::span(*receiving_).subspan(block.begin, block.length);
  }
  void on_block_progress(std::uint32_t bytes) override {
    node_.engine_.on_block_progress(link, bytes, now());
  }
  void on_block_end(const wire::Block& block) override {
    receiving_.reset();
    node_.engine_.on_block_end(link, block, now());
    node_.schedule_tick();
  }
  std::optional<net::OutgoingBlock> next_block() override {
    const auto block = node_.engine_.next_block(link, now());
    if (!block) {
      node_.schedule_tick();  // a limit may have been reached
      return std::nullopt;
    }
    try {
      return node_.payload_.outgoing(*block);
    } catch (const Error& error) {
      node_.cannot_read(error.what());
      connection->close("the payload cannot be read");
      return std::nullopt;
    }
  }
  void on_block_sent(const wire::Block& block) override {
    node_.engine_.on_block_sent(link, block, now());
  }
  void on_closed(const std::string& reason) override { node_.peer_gone(*this, reason); }

  SwarmNode& node_;
  Endpoint remote_;
  bool outgoing_;
  Payload::Buffer receiving_;
};

SwarmNode::SwarmNode(boost::asio::io_context& io, boost::asio::thread_pool& workers,
                     const Metainfo& metainfo, Payload& payload, swarm::Bitfield have,
                     SwarmNodeOptions options, events::EventSink& events, Log& log,
                     SwarmNodeCallbacks callbacks)
    : io_(io),
      workers_(workers),
      metainfo_(metainfo),
      payload_(payload),
      options_(std::move(options)),
      events_(events),
      log_(log),
      callbacks_(std::move(callbacks)),
      id_(make_peer_id()),
      trackers_(choose_trackers(metainfo, options_, log_)),
      web_seeds_(make_web_seeds(metainfo, options_.web_seeds, log_)),
      engine_(make_config(metainfo, options_, id_, trackers_, web_seeds_.size()), std::move(have),
              Random::from_system(), *this),
      upload_turns_(options_.turns ? options_.turns : std::make_shared<net::UploadTurns>(io)),
      tracker_client_(io, options_.listen),
      tick_timer_(io) {}

SwarmNode::~SwarmNode() {
  *alive_ = false;
  for (auto& [key, peer] : peers_)
    if (peer->connection) peer->connection->abandon();
}

wire::Handshake SwarmNode::handshake() const {
  return {.fast = true, .extensions = true, .info_hash = metainfo_.info_hash, .peer_id = id_};
}

void SwarmNode::start() {
  last_progress_ = now();
  if (!options_.shared_listener)
    listener_ = std::make_unique<net::PeerListener>(
        io_, options_.listen, options_.ports,
        [this](boost::asio::ip::tcp::socket socket) { take(std::move(socket)); });
  port_ = local_endpoint().port;
  log_.debug("listening on {}", local_endpoint().to_string());
  engine_.listens_at(port_);
  engine_.start(now());
  schedule_tick();
}

Endpoint SwarmNode::local_endpoint() const {
  return options_.shared_listener ? *options_.shared_listener : listener_->local_endpoint();
}

std::optional<Endpoint> SwarmNode::listening() const {
  return listener_ ? std::optional(local_endpoint()) : std::nullopt;
}

void SwarmNode::schedule_tick() {
  if (stopping_) return;
  const Instant next = engine_.next_tick(now());
  if (next >= tick_at_) return;
  tick_at_ = next;
  tick_timer_.expires_at(next);
  tick_timer_.async_wait([this](const boost::system::error_code& ec) {
    if (ec || stopping_) return;
    tick_at_ = Instant::max();
    engine_.tick(now());
    schedule_tick();
  });
}

void SwarmNode::take(boost::asio::ip::tcp::socket socket) {
  boost::system::error_code ec;
  const auto remote = socket.remote_endpoint(ec);
  if (ec || stopping_) return;
  add_peer(std::move(socket), net::from_asio(remote), false);
}

void SwarmNode::add_peer(boost::asio::ip::tcp::socket socket, const Endpoint& remote,
                         bool outgoing) {
  auto peer = std::make_unique<Peer>(*this, remote, outgoing);
  Peer& reference = *peer;
  peers_.emplace(&reference, std::move(peer));
  reference.start(std::move(socket));
}

void SwarmNode::handshake_done(Peer& peer, const wire::Handshake& handshake) {
  if (handshake.info_hash != metainfo_.info_hash) {
    peer.connection->close("another swarm: " + handshake.info_hash.hex());
    return;
  }
  if (!peer.outgoing()) peer.connection->send_handshake(this->handshake());
  peer.link = LinkId(next_link_++);
  linked_[peer.link] = &peer;
  engine_.on_connected(peer.link,
                       {.remote = peer.remote(),
                        .peer_id = handshake.peer_id,
                        .fast = handshake.fast,
                        .extensions = handshake.extensions,
                        .outgoing = peer.outgoing()},
                       now());
  schedule_tick();
}

void SwarmNode::peer_gone(Peer& peer, const std::string& reason) {
  log_.debug("link to {} ended: {}", peer.remote().to_string(), reason);
  if (peer.link.value() != 0) {
    linked_.erase(peer.link);
    engine_.on_closed(peer.link, now());
  } else if (peer.outgoing()) {
    engine_.on_dial_failed(peer.remote(), now());
  }
  discard(peer);
  schedule_tick();
}

void SwarmNode::discard(Peer& peer) {
  // Not at once: one of its functions may be running.
  const auto it = peers_.find(&peer);
  if (it == peers_.end()) return;
  std::shared_ptr<Peer> doomed = std::move(it->second);
  peers_.erase(it);
  boost::asio::post(io_, [doomed] {});
}

void SwarmNode::send(LinkId link, const wire::Message& message) {
  const auto it = linked_.find(link);
  if (it != linked_.end()) it->second->connection->send(message);
}

void SwarmNode::wake_upload(LinkId link) {
  const auto it = linked_.find(link);
  if (it != linked_.end()) it->second->connection->wake_upload();
}

void SwarmNode::rank_upload(LinkId link, std::uint32_t rank) {
  const auto it = linked_.find(link);
  if (it != linked_.end()) it->second->connection->rank_upload(rank);
}

void SwarmNode::close(LinkId link, const std::string& reason) {
  const auto it = linked_.find(link);
  if (it == linked_.end()) return;
  Peer& peer = *it->second;
  log_.debug("closing the link to {}: {}", peer.remote().to_string(), reason);
  linked_.erase(it);
  peer.connection->abandon();
  discard(peer);
}

Duration SwarmNode::round_trip(LinkId link) const {
  const auto it = linked_.find(link);
  return it == linked_.end() ? Duration{} : it->second->connection->round_trip();
}

void SwarmNode::dial(const Endpoint& endpoint) {
  // Only noted here: a dial may fail at once, and its failure is an event of its own.
  auto dial = std::make_unique<net::Dial>(
      io_, endpoint, options_.listen, dial_timeout,
      [this, endpoint](boost::asio::ip::tcp::socket socket, const std::string& error) {
        const auto finished = std::move(dials_.extract(endpoint).mapped());
        if (stopping_) return;
        if (error.empty()) {
          add_peer(std::move(socket), endpoint, true);
        } else {
          log_.debug("{}", error);
          engine_.on_dial_failed(endpoint, now());
        }
        schedule_tick();
      });
  dials_[endpoint] = std::move(dial);
}

/// Those who want the block dial again, and it may be there again: said once.
void SwarmNode::cannot_read(const std::string& problem) {
  if (std::exchange(payload_problem_, problem) == problem) return;
  events_.emit(events::Warning{problem});
}

void SwarmNode::banned(const Endpoint& endpoint, const std::string& reason) {
  log_.warning("banned {}: {}", endpoint.to_string(), reason);
  events_.emit(events::PeerBanned{endpoint, reason});
}

void SwarmNode::stop(std::function<void()> done) {
  stopping_ = true;
  tick_timer_.cancel();
  dials_.clear();
  web_requests_.clear();
  listener_.reset();
  for (auto& [key, peer] : peers_)
    if (peer->connection) peer->connection->abandon();
  say_stopped(std::move(done));
}

}  // namespace murder::node
