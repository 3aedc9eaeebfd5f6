#include "node/metadata_fetch.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/random.hpp"
#include "bittorrent/announce.hpp"
#include "net/peer_connection.hpp"
#include "net/signals.hpp"
#include "net/upload_turns.hpp"
#include "node/tracker_question.hpp"
#include "swarm/announcer.hpp"
#include "swarm/metadata_download.hpp"
#include "swarm/peer_book.hpp"

namespace murder::node {
namespace {

namespace asio = boost::asio;

/// Asked side by side: one that is silent or lies costs no time.
constexpr std::size_t most_links = 4;
constexpr Duration dial_timeout = std::chrono::seconds(5);
constexpr Duration announce_timeout = std::chrono::seconds(10);
constexpr Duration goodbye_timeout = std::chrono::seconds(1);
constexpr Duration link_patience = std::chrono::seconds(15);
constexpr Duration name_peers_every = std::chrono::seconds(15);
constexpr Duration look_every = std::chrono::milliseconds(50);
/// What one that listens nowhere gives a tracker, which wants a port.
constexpr std::uint16_t nominal_port = 8999;

Instant now() { return std::chrono::steady_clock::now(); }

/// Not "-MU": who only looks for the metadata is shown no pieces, and is no host of the fleet.
PeerId make_id() {
  Random random = Random::from_system();
  std::string id = "-MM0100-";
  while (id.size() < PeerId::size) id += static_cast<char>('0' + random.below(10));
  return *PeerId::from_bytes(id);
}

class Fetch {
 public:
  Fetch(const Magnet& magnet, const MetadataFetchOptions& options, Log& log)
      : magnet_(magnet),
        options_(options),
        log_(log),
        id_(make_id()),
        trackers_(usable_trackers(magnet.trackers, "the magnet link", log)),
        announcer_(trackers_),
        tracker_client_(io_, options.listen),
        signals_(io_, SIGINT, SIGTERM),
        timer_(io_) {
    if (trackers_.empty() && magnet.peers.empty())
      throw Error(ErrorKind::usage,
                  "the magnet link names neither a tracker that murder speaks to nor a peer "
                  "(x.pe): name one with --tracker");
  }

  Metainfo run() {
    started_ = last_news_ = now();
    announcer_.start(started_);
    signals_.async_wait([this](const boost::system::error_code& ec, int signal) {
      if (ec) return;
      fail(Error(signal == SIGINT ? ErrorKind::interrupted : ErrorKind::terminated,
                 fmt::format("{}: the torrent of {} had not come yet",
                             signal == SIGINT ? "interrupted" : "terminated", name())));
    });
    log_.info("asking peers for the torrent of {}", name());
    look();
    io_.run();
    if (error_) std::rethrow_exception(error_);
    return std::move(*found_);
  }

 private:
  class Peer final : public net::PeerConnection::Owner {
   public:
    Peer(Fetch& fetch, const Endpoint& remote)
        : download(fetch.magnet_.info_hash), fetch_(fetch), remote_(remote) {}
    ~Peer() override {
      if (connection) connection->abandon();
    }
    void start(asio::ip::tcp::socket socket) {
      connection = net::PeerConnection::create(std::move(socket), *this, wire::Limits{},
                                               fetch_.upload_turns_);
      connection->start();
      connection->send_handshake({.fast = true,
                                  .extensions = true,
                                  .info_hash = fetch_.magnet_.info_hash,
                                  .peer_id = fetch_.id_});
    }

    std::shared_ptr<net::PeerConnection> connection;
    swarm::MetadataDownload download;
    Instant heard = now();

   private:
    void on_handshake(const wire::Handshake& handshake) override {
      heard = now();
      if (handshake.info_hash != fetch_.magnet_.info_hash)
        return fetch_.ended(remote_, true, "it is in another swarm");
      if (!handshake.extensions) return fetch_.ended(remote_, false, "it has no extensions");
      connection->send(download.greeting());
    }
    void on_message(const wire::Message& message) override {
      heard = now();
      fetch_.on_message(*this, remote_, message);
    }
    std::span<std::uint8_t> on_block_begin(const wire::Block&) override { return {}; }
    void on_block_progress(std::uint32_t) override {}
    void on_block_end(const wire::Block&) override {}
    std::optional<net::OutgoingBlock> next_block() override { return std::nullopt; }
    void on_block_sent(const wire::Block&) override {}
    void on_closed(const std::string& reason) override { fetch_.ended(remote_, false, reason); }

    Fetch& fetch_;
    Endpoint remote_;
  };

  std::string name() const {
    return magnet_.name.empty() ? magnet_.info_hash.hex() : printable(magnet_.name, 100);
  }

  void look() {
    if (over_) return;
    const Instant t = now();
    std::vector<Endpoint> silent;
    for (const auto& [endpoint, peer] : peers_)
      if (t - peer->heard >= link_patience) silent.push_back(endpoint);
    for (const Endpoint& endpoint : silent) ended(endpoint, false, "it is silent");
    if (t >= name_peers_at_) {
      name_peers_at_ = t + name_peers_every;
      for (const Endpoint& peer : magnet_.peers) book_.add(peer, true, t);
    }
    for (const Endpoint& endpoint : book_.take_due(t, peers_.size(), most_links)) dial(endpoint);
    if (peers_.empty() && dials_.empty()) announcer_.want_peers(t);
    if (const auto order = announcer_.take_due(t)) announce(order->tracker, order->event);
    if (options_.timeout && t - last_news_ > *options_.timeout)
      return fail(
          Error(ErrorKind::unreachable,
                fmt::format("gave up on {} after {}: nobody gave its torrent{}{}", name(),
                            format_duration(*options_.timeout),
                            tracker_problem_.empty() ? "" : "; the tracker: " + tracker_problem_,
                            peer_problem_.empty() ? "" : "; the last peer: " + peer_problem_)));
    timer_.expires_after(look_every);
    timer_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec) look();
    });
  }

  void dial(const Endpoint& endpoint) {
    dials_[endpoint] = std::make_unique<net::Dial>(
        io_, endpoint, options_.listen, dial_timeout,
        [this, endpoint](asio::ip::tcp::socket socket, const std::string& error) {
          const auto finished = std::move(dials_.extract(endpoint).mapped());
          if (over_) return;
          if (!error.empty()) {
            peer_problem_ = error;
            log_.debug("{}", error);
            book_.dial_failed(endpoint, now());
            return;
          }
          auto peer = std::make_shared<Peer>(*this, endpoint);
          peers_[endpoint] = peer;
          peer->start(std::move(socket));
        });
  }

  /// One of its functions may be running, so that it goes from the loop.
  void ended(const Endpoint& endpoint, bool for_good, const std::string& reason) {
    const auto it = peers_.find(endpoint);
    if (it == peers_.end()) return;
    peer_problem_ = fmt::format("{}: {}", endpoint.to_string(), printable(reason, 200));
    if (for_good)
      log_.warning("no torrent from {}", peer_problem_);
    else
      log_.debug("no torrent from {}", peer_problem_);
    asio::post(io_, [doomed = std::move(it->second)] {});
    peers_.erase(it);
    if (for_good)
      book_.ban(endpoint);
    else
      book_.dial_failed(endpoint, now());  // it stays one that is being tried
  }

  void on_message(Peer& peer, const Endpoint& endpoint, const wire::Message& message) {
    if (over_) return;
    std::vector<wire::Message> reply;
    const auto outcome = peer.download.on_message(message, reply);
    for (const wire::Message& answer : reply) peer.connection->send(answer);
    if (!reply.empty()) last_news_ = now();
    switch (outcome) {
      case swarm::MetadataDownload::Outcome::going_on:
        return;
      case swarm::MetadataDownload::Outcome::useless:
      case swarm::MetadataDownload::Outcome::hostile:
        return ended(endpoint, outcome == swarm::MetadataDownload::Outcome::hostile,
                     peer.download.reason());
      case swarm::MetadataDownload::Outcome::done:
        break;
    }
    try {
      Metainfo metainfo = parse_info(peer.download.metadata(), "of " + name());
      for (const std::string& tracker : trackers_) metainfo.trackers.push_back({tracker});
      metainfo.web_seeds = magnet_.web_seeds;
      found_ = std::move(metainfo);
      log_.info("the torrent of {} came from {}", name(), endpoint.to_string());
    } catch (...) {
      error_ = std::current_exception();
    }
    finish();
  }

  std::unique_ptr<TrackerQuestion> ask(const std::string& tracker, AnnounceEvent event,
                                       Duration timeout, TrackerQuestion::Callback callback) {
    AnnounceRequest request;
    request.info_hash = magnet_.info_hash;
    request.peer_id = id_;
    request.port = nominal_port;
    request.left = 1;  // how much is not known
    request.event = event;
    if (!options_.listen.is_unspecified()) request.ip = options_.listen;
    return tracker_client_.ask(tracker, request, timeout, std::move(callback));
  }

  void announce(const std::string& tracker, AnnounceEvent event) {
    announce_ = ask(tracker, event, announce_timeout, [this, tracker](const TrackerAnswer& answer) {
      const auto finished = std::move(announce_);
      if (answer.problem.empty()) {
        answered_ = tracker;
        announcer_.succeeded(answer.reply, now());
        for (const AnnouncedPeer& peer : answer.reply.peers) book_.add(peer.endpoint, false, now());
      } else {
        announcer_.failed(now());
        if (answer.problem != tracker_problem_)
          log_.warning("tracker {}: {}; trying again", tracker, printable(answer.problem, 300));
      }
      tracker_problem_ = answer.problem;
    });
  }

  void fail(Error error) {
    if (over_) return;
    error_ = std::make_exception_ptr(std::move(error));
    finish();
  }

  /// The tracker that knows of us is told that we are not here any more: it would wait for us.
  void finish() {
    if (std::exchange(over_, true)) return;
    timer_.cancel();
    signals_.cancel();
    dials_.clear();
    for (auto& [endpoint, peer] : peers_) asio::post(io_, [doomed = std::move(peer)] {});
    peers_.clear();
    announce_.reset();
    if (answered_.empty()) return;
    announce_ =
        ask(answered_, AnnounceEvent::stopped, goodbye_timeout, [](const TrackerAnswer&) {});
  }

  const Magnet& magnet_;
  const MetadataFetchOptions& options_;
  Log& log_;
  asio::io_context io_{1};
  PeerId id_;
  std::vector<std::string> trackers_;
  swarm::Announcer announcer_;
  TrackerClient tracker_client_;
  swarm::PeerBook book_;
  std::shared_ptr<net::UploadTurns> upload_turns_ = std::make_shared<net::UploadTurns>(io_);
  asio::signal_set signals_;
  asio::steady_timer timer_;
  std::map<Endpoint, std::shared_ptr<Peer>> peers_;
  std::map<Endpoint, std::unique_ptr<net::Dial>> dials_;
  std::unique_ptr<TrackerQuestion> announce_;
  std::string answered_;  ///< the tracker that did last
  std::string tracker_problem_;
  std::string peer_problem_;
  Instant started_{};
  Instant last_news_{};
  Instant name_peers_at_{};
  bool over_ = false;
  std::optional<Metainfo> found_;
  std::exception_ptr error_;
};

}  // namespace

Metainfo fetch_metadata(const Magnet& magnet, const MetadataFetchOptions& options, Log& log) {
  net::ignore_sigpipe();
  return Fetch(magnet, options, log).run();
}

}  // namespace murder::node
