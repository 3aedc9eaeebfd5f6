// One process's part in one swarm, for real: the engine, its sockets, its payload and its tracker
// wired together. Owned by the loop's thread; hashing and writing happen on `workers`.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.hpp"
#include "base/port_range.hpp"
#include "bittorrent/announce.hpp"
#include "bittorrent/metainfo.hpp"
#include "events/event.hpp"
#include "net/peer_connection.hpp"
#include "net/upload_turns.hpp"
#include "node/payload.hpp"
#include "node/tracker_question.hpp"
#include "node/web_request.hpp"
#include "swarm/engine.hpp"

namespace murder::node {

struct SwarmNodeOptions {
  AnnounceRole role = AnnounceRole::host;
  IpAddress listen = IpAddress::v4({0, 0, 0, 0});
  PortRange ports;                    ///< none named: the first free one from 8999 on
  std::vector<std::string> trackers;  ///< URLs; empty: those of the metainfo
  std::string name;                   ///< what the tracker calls this host
  std::vector<PieceIndex> first;      ///< pieces before all others
  swarm::RateLimit up;  ///< payload sent; a bucket in it may be shared with other swarms
  swarm::RateLimit down;
  /// Somebody else listens there, for several swarms, and gives this one what it accepts (take()).
  std::optional<Endpoint> shared_listener;
  std::shared_ptr<net::UploadTurns> turns;  ///< of all swarms of the process; empty: its own
  std::vector<Endpoint> peers;              ///< known beforehand
  /// URLs, beside those of the metainfo; they pass check_web_seed().
  std::vector<std::string> web_seeds;
};

/// What a SwarmNode tells its owner, from the loop. May not destroy the node.
struct SwarmNodeCallbacks {
  std::function<void(PieceIndex)> on_piece;            ///< verified and written
  std::function<void()> on_complete;                   ///< every piece is
  std::function<void(std::exception_ptr)> on_failure;  ///< cannot go on: a disk that is full
};

/// A new "-MU…" peer id.
PeerId make_peer_id();

class SwarmNode final : private swarm::Driver {
 public:
  SwarmNode(boost::asio::io_context& io, boost::asio::thread_pool& workers,
            const Metainfo& metainfo, Payload& payload, swarm::Bitfield have,
            SwarmNodeOptions options, events::EventSink& events, Log& log,
            SwarmNodeCallbacks callbacks);
  ~SwarmNode() override;

  /// Listens, announces, dials.
  void start();
  /// An incoming connection, with nothing read from it.
  void take(boost::asio::ip::tcp::socket socket);
  /// For one who has nothing to serve but has the release: tells so the first tracker that answers
  /// within a second, and nothing else. Instead of start().
  void report_complete(std::function<void()> done);
  /// Says `stopped` to the tracker (waiting at most a second) and closes everything, then calls
  /// `done`.
  void stop(std::function<void()> done);

  /// A piece from outside of the swarm: checked and written by the workers, then had like any
  /// other. `done` is called from the loop, never from inside: with nothing when it is had (or was
  /// before), else with Error{integrity} for bytes that do not match (nothing else happens then),
  /// or with why it could not be written (on_failure gets that, too). Not called once the node
  /// stops.
  using Fed = std::function<void(std::exception_ptr error)>;
  void feed(PieceIndex piece, std::vector<std::uint8_t> bytes, Fed done);
  /// Fed and not yet written. Whoever feeds waits while it is `max_feeding_bytes` or more.
  std::uint64_t feeding_bytes() const { return feeding_bytes_; }
  static constexpr std::uint64_t max_feeding_bytes = 32u << 20;
  std::uint64_t fed_bytes() const { return fed_bytes_; }  ///< that were missing

  /// From web seeds, right or wrong.
  std::uint64_t web_bytes() const { return web_bytes_; }
  /// What is the matter with the first one that something is; empty: nothing.
  std::string web_seed_problem() const;
  bool has_web_seeds() const { return !web_seeds_.empty(); }

  /// One more tracker, asked at once and before the others. Throws Error{usage} for what is no
  /// tracker's URL.
  void add_tracker(const std::string& url);

  swarm::Engine& engine() { return engine_; }
  const swarm::Engine& engine() const { return engine_; }
  Endpoint local_endpoint() const;
  std::optional<Endpoint> listening() const;  ///< nullopt before start() and after stop()
  /// Since when nothing that was missing has come.
  Instant last_progress() const { return last_progress_; }
  const std::string& tracker_problem() const { return tracker_problem_; }
  bool has_trackers() const { return !trackers_.empty(); }
  /// This host gives up; said with the next `stopped`.
  void mark_failed() { failed_ = true; }

 private:
  class Peer;
  friend class Peer;

  // swarm::Driver
  void send(LinkId link, const wire::Message& message) override;
  void wake_upload(LinkId link) override;
  void rank_upload(LinkId link, std::uint32_t rank) override;
  void dial(const Endpoint& endpoint) override;
  void announce(const std::string& tracker, AnnounceEvent event) override;
  void close(LinkId link, const std::string& reason) override;
  void verify(PieceIndex piece) override;
  void detach(LinkId link, PieceIndex piece) override;
  void forget(PieceIndex piece) override { payload_.forget(piece); }
  Duration round_trip(LinkId link) const override;
  void fetch(const swarm::WebFetch& fetch) override;
  void banned(const Endpoint& endpoint, const std::string& reason) override;

  struct WebChecks;
  struct WebSeed {
    std::string url;
    bool said = false;    ///< its state has been told once
    bool banned = false;  ///< never asked again
    std::string problem;  ///< empty: it gave the last that it was asked for
  };
  static std::vector<WebSeed> make_web_seeds(const Metainfo& metainfo,
                                             const std::vector<std::string>& added, Log& log);
  void web_answered(const swarm::WebFetch& fetch, const WebAnswer& answer,
                    const std::string& content);
  void web_checked(PieceIndex piece, bool matches, const std::exception_ptr& error,
                   WebChecks& checks);
  void web_ended(const swarm::WebFetch& fetch, swarm::WebOutcome outcome, Duration retry_after,
                 const std::string& reason);

  wire::Handshake handshake() const;
  void add_peer(boost::asio::ip::tcp::socket socket, const Endpoint& remote, bool outgoing);
  void handshake_done(Peer& peer, const wire::Handshake& handshake);
  void peer_gone(Peer& peer, const std::string& reason);
  void discard(Peer& peer);
  void piece_is_here(PieceIndex piece, bool was_complete);
  void feed_checked(PieceIndex piece, bool matches, const std::exception_ptr& error,
                    const Fed& done);
  AnnounceRequest make_request(AnnounceEvent event) const;
  static std::vector<std::string> choose_trackers(const Metainfo& metainfo,
                                                  const SwarmNodeOptions& options, Log& log);
  void announced(const std::string& tracker, const TrackerAnswer& answer);
  void report_complete_to(std::size_t which, std::function<void()> done);
  void say_stopped(std::function<void()> done);
  void cannot_read(const std::string& problem);
  void schedule_tick();

  boost::asio::io_context& io_;
  boost::asio::thread_pool& workers_;
  const Metainfo& metainfo_;
  Payload& payload_;
  SwarmNodeOptions options_;
  events::EventSink& events_;
  Log log_;
  SwarmNodeCallbacks callbacks_;
  PeerId id_;
  std::vector<std::string> trackers_;
  std::vector<WebSeed> web_seeds_;
  swarm::Engine engine_;
  std::shared_ptr<net::UploadTurns> upload_turns_;
  std::unique_ptr<net::PeerListener> listener_;
  std::unordered_map<const Peer*, std::unique_ptr<Peer>> peers_;
  std::unordered_map<LinkId, Peer*> linked_;
  std::map<Endpoint, std::unique_ptr<net::Dial>> dials_;
  TrackerClient tracker_client_;
  std::unique_ptr<TrackerQuestion> announce_;
  std::map<std::uint32_t, std::unique_ptr<WebRequest>> web_requests_;
  std::uint32_t next_web_request_ = 0;
  boost::asio::steady_timer tick_timer_;
  Instant tick_at_ = Instant::max();
  std::uint16_t port_ = 0;
  std::uint32_t next_link_ = 1;
  Instant last_progress_{};
  std::uint64_t feeding_bytes_ = 0;
  std::uint64_t fed_bytes_ = 0;
  std::uint64_t web_bytes_ = 0;
  bool tracker_said_ = false;  ///< its state has been told once
  std::string tracker_problem_;
  std::string answered_;  ///< the tracker that did last
  std::string payload_problem_;
  bool failed_ = false;
  bool stopping_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for what workers post back
};

}  // namespace murder::node
