// The swarm engine: one process's part in one swarm, as a state machine without I/O.
//
// Events go in (a link is up, a message came, a piece is verified, the tracker said, the time is),
// orders go out through Driver. Time and randomness are handed in. The same engine runs over real
// sockets (node/) and over a virtual network with thousands of hosts in one process (sim/); the
// same seed gives the same run.
//
// What makes it fast (ARCHITECTURE.md has the reasons and figures): the seeder sends each piece
// once before any twice; shallow request windows; local rarest first; no choking between murder
// peers; no timer on the way of data.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "base/endpoint.hpp"
#include "base/random.hpp"
#include "base/units.hpp"
#include "bittorrent/announce.hpp"
#include "bittorrent/wire.hpp"
#include "swarm/announcer.hpp"
#include "swarm/bitfield.hpp"
#include "swarm/geometry.hpp"
#include "swarm/link.hpp"
#include "swarm/peer_book.hpp"
#include "swarm/picker.hpp"
#include "swarm/rate_limit.hpp"
#include "swarm/seed_window.hpp"
#include "swarm/stock_share.hpp"
#include "swarm/web_seeds.hpp"

namespace murder::swarm {

/// What an engine orders. Called from inside its event functions; must not call back into the
/// engine.
class Driver {
 public:
  virtual ~Driver() = default;
  virtual void send(LinkId link, const wire::Message& message) = 0;
  /// next_block(link) has something to send.
  virtual void wake_upload(LinkId link) = 0;
  /// Of the links that have something to send, those of the lowest rank go first and equals in
  /// turn. 0 until it is said otherwise.
  virtual void rank_upload(LinkId link, std::uint32_t rank) = 0;
  /// on_connected or on_dial_failed follows.
  virtual void dial(const Endpoint& endpoint) = 0;
  /// on_tracker_reply or on_tracker_failed follows, unless another one is ordered before: then the
  /// earlier one is given up.
  virtual void announce(const std::string& tracker, AnnounceEvent event) = 0;
  /// The engine has forgotten the link already; on_closed must not follow.
  virtual void close(LinkId link, const std::string& reason) = 0;
  /// Every byte of it has come: check it. on_piece_verified follows.
  virtual void verify(PieceIndex piece) = 0;
  /// The rest of the block that is arriving on `link` must not touch the piece any more: it has
  /// been given up and will come from elsewhere.
  virtual void detach(LinkId link, PieceIndex piece) = 0;
  /// What has come of the piece is not gone on with.
  virtual void forget(PieceIndex piece) = 0;
  /// The smallest round trip seen on the link; zero when not known.
  virtual Duration round_trip(LinkId link) const = 0;
  /// Of a web seed: on_piece_fed for each piece that came and is right, then on_web_fetched,
  /// follow.
  virtual void fetch(const WebFetch& fetch) = 0;
  /// Wrong data or a broken protocol: told for the log; the link is closed separately.
  virtual void banned(const Endpoint& endpoint, const std::string& reason) = 0;
};

struct EngineConfig {
  Geometry geometry;
  PeerId self;
  /// Rule 1 applies: show each piece once before showing any twice. It may have less than all: what
  /// it is fed, or gets from others, is shown when it is there.
  bool seeder = false;
  std::vector<PieceIndex> first;      ///< fetched and seeded before the others
  std::vector<PaddingRange> padding;  ///< in order; zeros that nobody is asked for
  std::vector<std::string> trackers;  ///< URLs
  std::vector<Endpoint> peers;        ///< known beforehand: dialled, again and again while alone
  std::size_t web_seeds = 0;          ///< how many there are; BEP 19
  /// The info dictionary, for peers that lack it (BEP 9); none: not given.
  std::shared_ptr<const std::string> metadata;
  bool is_private = false;      ///< stock clients are told of no peers (BEP 27)
  bool exchange_peers = false;  ///< BEP 11
  RateLimit up;                 ///< payload sent
  RateLimit down;               ///< payload asked for
  /// The longest block asked for and sent between murder peers. Over sockets always the default; a
  /// simulation may send whole pieces at once, for speed.
  std::uint32_t max_block_bytes = murder_block_bytes;
  std::size_t wanted_links = 10;  ///< peers that the tracker merely lists are dialled up to this
  Duration stall =
      std::chrono::seconds(3);  ///< silent that long with requests out: asked elsewhere
  Duration dead = std::chrono::seconds(30);  ///< … and closed
};

/// What the handshake told of a new link.
struct LinkInfo {
  Endpoint remote;  ///< as dialled, or as accepted (then the port is not one to dial)
  PeerId peer_id;
  bool fast = false;
  bool extensions = false;
  bool outgoing = false;
};

class Engine {
 public:
  /// `have`: what is verified already.
  Engine(EngineConfig config, Bitfield have, Random random, Driver& driver);

  void start(Instant now);
  /// Where others can dial this engine; peers are told. Before start().
  void listens_at(std::uint16_t port) { listen_port_ = port; }
  /// From the manifest, once it is known.
  void set_groups(std::vector<std::uint32_t> group_of_piece);

  void on_dial_failed(const Endpoint& endpoint, Instant now);
  void on_connected(LinkId link, const LinkInfo& info, Instant now);
  void on_closed(LinkId link, Instant now);
  void on_message(LinkId link, const wire::Message& message, Instant now);
  /// A block begins to arrive. True: wanted, receive it into the piece. False: throw it away.
  bool on_block_begin(LinkId link, const wire::Block& block, Instant now);
  void on_block_progress(LinkId link, std::uint32_t bytes, Instant now);
  void on_block_end(LinkId link, const wire::Block& block, Instant now);
  /// What to send next on this link; it counts as being sent.
  std::optional<wire::Block> next_block(LinkId link, Instant now);
  void on_block_sent(LinkId link, const wire::Block& block, Instant now);
  void on_piece_verified(PieceIndex piece, bool matches, Instant now);
  /// A piece came from outside of the swarm and is verified and written. Whoever was asked for it
  /// is told not to send it; what is on its way all the same is thrown away.
  void on_piece_fed(PieceIndex piece, Instant now);
  /// What Driver::fetch ordered has ended; its pieces, if any, came through on_piece_fed before.
  /// `retry_after`: as the server said; zero: it did not.
  void on_web_fetched(const WebFetch& fetch, WebOutcome outcome, Duration retry_after, Instant now);
  /// To be asked before the others from now on, and at once.
  void add_tracker(const std::string& tracker, Instant now);
  void on_tracker_reply(const AnnounceReply& reply, Instant now);
  void on_tracker_failed(Instant now);
  /// Call no later than next_tick() said.
  void tick(Instant now);
  Instant next_tick(Instant now) const;

  const Bitfield& have() const { return picker_.have(); }
  bool complete() const { return picker_.complete(); }
  std::uint64_t bytes_have() const { return bytes_have_; }
  std::uint64_t bytes_left() const { return config_.geometry.length - bytes_have_; }
  std::uint64_t downloaded() const { return downloaded_; }
  std::uint64_t uploaded() const { return uploaded_; }
  std::uint64_t wasted() const { return wasted_; }  ///< bytes that came twice or did not match
  std::size_t link_count() const { return links_.size(); }
  bool tracker_silent() const { return announcer_.silent(); }
  /// The tracker said that nobody needs anything any more.
  bool swarm_complete() const { return swarm_complete_; }
  const FleetState& fleet() const { return fleet_; }
  /// Missing pieces that no link has.
  std::uint32_t pieces_out_of_reach() const;
  /// One of the links is to somebody who still lacks something.
  bool anyone_waiting() const;
  /// Every piece of the torrent has been sent once or was seen at a peer. Always true for one who
  /// is not a seeder.
  bool sent_once() const { return !seed_ || seed_->open(); }
  const std::map<LinkId, Link>& links() const { return links_; }

 private:
  struct Visitor;
  Link* find(LinkId link);
  void send(Link& link, const wire::Message& message, Instant now);
  void drop(LinkId link, const std::string& reason, bool ban, Instant now);
  void forget(LinkId link, Instant now);
  void greet(Link& link, Instant now);
  void introduce(Link& link, Instant now);
  void tell_have(Link& link, PieceIndex piece, Instant now);
  void tell_untold(Link& link, Instant now);
  void got(PieceIndex piece, Instant now);
  void tell_everyone(PieceIndex piece, Instant now);
  void show_new(PieceIndex piece, Instant now);
  void tell_a_few(PieceIndex piece, Instant now);
  void show_more(Link& link, Instant now);
  void open_to_all(Instant now);
  void show_all_there_is(Instant now);
  void they_have(Link& link, PieceIndex piece);
  void after_they_have(Link& link, Instant now);

  void request_more(Link& link, Instant now);
  void request_everywhere(Instant now);
  void serve_throttled(Instant now);
  std::uint32_t largest_block(const RateLimit& limit) const {
    return limit.largest_block(config_.max_block_bytes);
  }
  void tell_progress(Instant now);
  void rank_uploads();
  void rank_upload(Link& link);
  bool request_from(Link& link, PieceIndex piece, Instant now);
  std::uint64_t window_bytes(const Link& link) const;
  bool would_be_sooner(const Link& link, PieceIndex piece, const PieceInHand& state,
                       Instant now) const;
  Instant last_data_of(const PieceInHand& state) const;
  bool take_back_for(Link& link, Instant now);
  bool drop_hopeless(Instant now);
  void release_requests(Link& link, Instant now, bool still_open);
  void return_block(const Link& link, const Link::Outstanding& outstanding);
  void cancel_request(Link& link, const wire::Block& block, Instant now);
  void cancel_piece(PieceIndex piece, Instant now);
  void update_interest(Link& link, Instant now);
  void queue_upload(Link& link, const wire::Block& block, Instant now);
  void assign_stock_slots(Instant now);
  bool holds_back(const Link& link, const wire::Block& block, Instant now) const;
  void serve_held(Instant now);
  void check_stalls(Instant now);
  /// One who has it all waits to be dialled; only a seeder dials, and only whom the tracker says.
  bool dials() const { return config_.seeder || !complete(); }
  std::size_t links_to_look_for() const { return complete() ? 0 : config_.wanted_links; }
  void dial_due(Instant now);
  void announce_due(Instant now);
  bool peers_feed_us() const;
  WebSeeds::Situation web_situation() const;
  void ask_web_seeds(Instant now);
  void dial_known_peers(Instant now);
  void give_metadata(Link& link, const std::string& payload, Instant now);
  bool exchanges_peers_with(const Link& link) const;
  bool without_tracker() const;
  static std::optional<Endpoint> listening_at(const Link& link);
  void tell_peers(Instant now);
  void tell_peers_to(Link& link, const std::vector<std::pair<LinkId, Endpoint>>& there,
                     Instant now);
  void hear_of_peers(Link& link, const std::string& payload, Instant now);
  void dial_heard_of(Instant now);

  EngineConfig config_;
  Random random_;
  Driver& driver_;
  Picker picker_;
  std::optional<SeedWindow> seed_;
  std::optional<WebSeeds> web_;  ///< when there are web seeds
  PeerBook book_;
  Announcer announcer_;
  std::map<LinkId, Link> links_;
  FleetState fleet_;
  std::uint16_t listen_port_ = 0;
  std::vector<Endpoint> heard_of_;  ///< by peer exchange, and not dialled yet
  std::size_t heard_of_taken_ = 0;  ///< and in the book by now
  Instant known_peers_due_{};
  bool tracker_answered_ = false;
  std::uint32_t seeds_announced_ = 0;     ///< who has everything, as the tracker said last
  std::uint32_t leechers_announced_ = 0;  ///< … and who has not
  bool swarm_complete_ = false;
  std::uint64_t bytes_have_ = 0;
  std::uint64_t downloaded_ = 0;
  std::uint64_t uploaded_ = 0;
  std::uint64_t wasted_ = 0;
  std::uint64_t verifying_bytes_ = 0;  ///< received and not yet hashed and written
  bool held_back_ = false;  ///< something new would be asked for, but too much is in hand
  double piece_seconds_ =
      0;  ///< how long a piece takes from being asked for to having come, smoothed
  std::optional<Instant> take_back_due_;
  double piece_interval_s_ = 0;  ///< between pieces verified, smoothed
  Instant last_verified_{};
  Instant last_upload_{};
  Instant last_moved_{};  ///< a seeder's: something left or came, somebody joined or got something
  std::optional<Instant> untold_due_;
  StockShare stock_share_;
  std::deque<LinkId> held_;       ///< stock clients that have had their share
  std::deque<LinkId> throttled_;  ///< have blocks to send, and the limit was reached
  bool asking_throttled_ = false;
  LinkId asked_last_{0};
  std::uint32_t progress_told_ = 0;  ///< in progress steps
  std::uint32_t ahead_ = 0;          ///< of the neighbours that lack something: the furthest
  Instant next_slot_change_{};
  Instant last_housekeeping_{};
};

}  // namespace murder::swarm
