// `murder peer`: fetch, verify, unpack on the way, activate, linger.
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <stop_token>
#include <string>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "host/destination.hpp"
#include "host/stager.hpp"
#include "net/http.hpp"
#include "net/signals.hpp"
#include "node/landing.hpp"
#include "node/lingering.hpp"
#include "node/metainfo_source.hpp"
#include "node/options.hpp"
#include "node/payload.hpp"
#include "node/progress_meter.hpp"
#include "node/swarm_node.hpp"
#include "node/transfer_control.hpp"
#include "node/unpacker.hpp"
#include "node/web_source.hpp"
#include "release/pack.hpp"

namespace murder::node {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr Duration report_every = std::chrono::milliseconds(500);

Instant now() { return std::chrono::steady_clock::now(); }

std::string own_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

Metainfo load_expected(const PeerOptions& options, Log& log) {
  Metainfo metainfo = load_metainfo(options.source, options.trackers,
                                    {.listen = options.listen, .timeout = options.timeout}, log);
  if (options.info_hash && metainfo.info_hash != *options.info_hash)
    throw Error(ErrorKind::integrity,
                fmt::format("{} is another torrent: its info-hash is {}, and {} is wanted",
                            options.source, metainfo.info_hash.hex(), options.info_hash->hex()));
  for (const std::string& url : options.web_seeds) check_web_seed(url, metainfo);
  return metainfo;
}

/// Thrown out of staging that is not waited for.
struct GivenUp {};

class PeerSession : private TransferControl::Transfer {
 public:
  PeerSession(const PeerOptions& options, events::EventSink& events, Log& log)
      : options_(options),
        outer_events_(events),
        log_(log),
        started_(now()),
        metainfo_(load_expected(options, log)),
        landing_(Landing::prepare(metainfo_, options)),
        signals_(io_, SIGINT, SIGTERM),
        report_timer_(io_),
        linger_(options.linger) {
    Transfer& transfer = *this;
    if (options.control)
      control_.emplace(io_, landing_->destination(), metainfo_.tag(), transfer, events);
  }

  void run() {
    guarded([&] { begin(); });
    io_.run();
    unpacker_.reset();
    staging_.request_stop();
    workers_.join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void begin() {
    sink().emit(events::Started{.command = "peer",
                                .tag = metainfo_.tag(),
                                .info_hash = metainfo_.info_hash,
                                .size_bytes = metainfo_.length,
                                .pieces = metainfo_.piece_count(),
                                .kind = payload_kind(metainfo_)});
    if (metainfo_.piece_sha256.empty())
      warn(fmt::format("{} was not made by murder: verified by SHA-1, carried as {}",
                       options_.source, metainfo_.is_tree() ? "files" : "a file"));
    // A seeder has to have its pack: it is fetched, or handed over, once more.
    if (landing_->already_staged() && !landing_->payload_is_final() && !options_.seeder) {
      report_staged_before();
      return;
    }
    // A kept pack may have been damaged since it was whole: what is wrong in it is fetched again.
    payload_.emplace(metainfo_, landing_->payload_path(),
                     landing_->payload_is_final() && !landing_->is_release()
                         ? Payload::Access::read
                         : Payload::Access::read_write,
                     options_.allocation);
    swarm::Bitfield have = landing_->resumes() ? find_pieces(metainfo_, *payload_)
                                               : swarm::Bitfield(metainfo_.piece_count());
    if (landing_->already_staged() && !have.all() && !options_.seeder) {
      warn(fmt::format("{} was damaged since {} was staged: removed, and not served to others",
                       landing_->payload_path().string(), metainfo_.tag()));
      std::error_code ec;
      fs::remove(landing_->payload_path(), ec);
      report_staged_before();
      return;
    }
    for (std::uint32_t p = 0; p < metainfo_.piece_count(); ++p)
      if (have.test(PieceIndex(p))) resumed_bytes_ += metainfo_.piece_size(PieceIndex(p));
    if (resumed_bytes_ > 0 && !have.all())
      log_.info("resuming {}: {} of {} are here", metainfo_.tag(), format_bytes(resumed_bytes_),
                format_bytes(metainfo_.length));

    SwarmNodeOptions node_options = common_node_options();
    node_options.ports = options_.ports;
    node_options.up = swarm::limit_to(options_.limits.up);
    node_options.down = swarm::limit_to(options_.limits.down);
    node_options.web_seeds = options_.web_seeds;
    node_options.peers = peers_of_source(options_.source);
    node_options.first = manifest_pieces(metainfo_);
    manifest_missing_ = node_options.first.size();
    for (const PieceIndex piece : node_options.first)
      if (have.test(piece)) --manifest_missing_;
    node_.emplace(io_, workers_, metainfo_, *payload_, have, std::move(node_options), sink(), log_,
                  SwarmNodeCallbacks{
                      .on_piece = [this](PieceIndex piece) { piece_verified(piece); },
                      .on_complete = [this] { completed(); },
                      .on_failure = [this](std::exception_ptr error) { fail(std::move(error)); }});
    signals_.async_wait([this](const boost::system::error_code& ec, int signal) {
      if (!ec) interrupted(signal);
    });

    node_->start();
    sink().emit(events::Listening{options_.seeder ? "seeder" : "peer", node_->local_endpoint()});
    if (landing_->already_staged())
      staged();
    else if (manifest_missing_ == 0 && landing_->unpacks())
      begin_unpacking();
    if (node_->engine().complete()) completed();
    report();
  }

  SwarmNodeOptions common_node_options() const {
    SwarmNodeOptions node_options;
    node_options.role = options_.seeder ? AnnounceRole::seeder : AnnounceRole::host;
    node_options.listen = options_.listen;
    node_options.trackers = options_.trackers;
    node_options.name = options_.name.empty() ? own_name() : options_.name;
    return node_options;
  }

  /// Where events go.
  events::EventSink& sink() { return control_ ? *control_ : outer_events_; }

  /// Runs a part of the loop's work; what it throws ends the session.
  template <class Work>
  void guarded(Work work) {
    try {
      work();
    } catch (...) {
      fail(std::current_exception());
    }
  }

  void warn(const std::string& message) { sink().emit(events::Warning{message}); }

  /// The release is here and its pack is not: nothing to fetch, nothing to serve, only to be
  /// counted.
  void report_staged_before() {
    staged();
    swarm::Bitfield everything(metainfo_.piece_count());
    everything.set_all();
    payload_.emplace(metainfo_, landing_->payload_path(), Payload::Access::none);
    node_.emplace(io_, workers_, metainfo_, *payload_, everything, common_node_options(), sink(),
                  log_, SwarmNodeCallbacks{});
    stopping_ = true;
    node_->report_complete([this] { over(); });
  }

  void piece_verified(PieceIndex piece) {
    guarded([&] {
      if (unpacker_) {
        unpacker_->add_piece(piece);
        return;
      }
      if (!landing_->unpacks() || manifest_missing_ == 0) return;
      const auto first = manifest_pieces(metainfo_);
      if (piece < first.front() || piece > first.back()) return;
      if (--manifest_missing_ == 0) begin_unpacking();
    });
  }

  void begin_unpacking() {
    const auto& where = *metainfo_.release->manifest;
    std::string stored(where.length, '\0');
    const std::span bytes(reinterpret_cast<std::uint8_t*>(stored.data()), stored.size());
    if (!read_exactly_at(payload_->fd(), bytes, where.offset, payload_->path()) ||
        sha256(stored) != where.sha256)
      throw Error(ErrorKind::integrity,
                  fmt::format("the manifest of {} does not match its torrent", metainfo_.tag()));
    Manifest manifest = decode_manifest(stored, "the manifest of " + metainfo_.tag());
    if (!manifest.frames.empty() &&
        manifest.frames.back().stored_offset + manifest.frames.back().stored_size > where.offset)
      throw Error(ErrorKind::integrity,
                  fmt::format("the manifest of {} has frames past its own place", metainfo_.tag()));
    check_room(landing_->destination(), metainfo_.length, tree_bytes_on_disk(manifest),
               node_->engine().bytes_have());
    unpacker_.emplace(io_, metainfo_, payload_->fd(), landing_->destination(), std::move(manifest),
                      std::move(stored), options_.owner, node_->engine().have(),
                      [this](const std::exception_ptr& error) {
                        if (error_) return;  // it has given up already
                        if (error)
                          fail(error);
                        else
                          guarded([&] { staged(); });
                      });
    node_->engine().set_groups(unpacker_->group_of_piece());
    if (node_->engine().complete()) unpacker_->hurry();
  }

  void completed() {
    guarded([&] {
      landing_->payload_complete(*payload_);
      sink().emit(events::Complete{.tag = metainfo_.tag(),
                                   .seconds = to_seconds(now() - started_),
                                   .downloaded_bytes = node_->engine().downloaded(),
                                   .uploaded_bytes = node_->engine().uploaded(),
                                   .resumed_bytes = resumed_bytes_,
                                   .fed_bytes = node_->fed_bytes(),
                                   .web_bytes = node_->web_bytes()});
      if (unpacker_) {
        unpacker_->hurry();
      } else if (!landing_->unpacks() && !staged_) {
        if (landing_->is_release())
          stage_raw();
        else
          staged();
      }
      if (staged_) landing_->unlock();
    });
  }

  /// On a worker, so that it is served meanwhile.
  void stage_raw() {
    asio::post(workers_, [this, stop = staging_.get_token()] {
      std::exception_ptr error;
      try {
        landing_->stage([&stop] {
          if (stop.stop_requested()) throw GivenUp{};
        });
      } catch (...) {
        error = std::current_exception();
      }
      asio::post(io_, [this, error] {
        if (stopping_) return;
        if (error)
          fail(error);
        else
          guarded([&] { staged(); });
      });
    });
  }

  void staged() {
    staged_ = true;
    if (landing_->is_release()) {
      std::optional<Manifest> kept;
      if (landing_->already_staged() && landing_->is_pack()) {
        const fs::path path = landing_->destination().manifest_path(metainfo_.tag());
        kept = decode_manifest(read_file(path), path.string());
      }
      const Manifest* manifest = unpacker_ ? &unpacker_->manifest() : kept ? &*kept : nullptr;
      sink().emit(events::Staged{
          .tag = metainfo_.tag(),
          .path = (landing_->destination().path() / "releases" / metainfo_.tag()).string(),
          .seconds = to_seconds(now() - started_),
          .files = manifest != nullptr ? count_files(*manifest) : metainfo_.file_count(),
          .bytes = manifest != nullptr ? manifest->total_file_bytes() : metainfo_.file_bytes()});
      if (options_.activate) {
        const DestinationLock lock(landing_->destination());
        const auto previous = activate(landing_->destination(), metainfo_.tag());
        sink().emit(events::Activated{metainfo_.tag(), previous.value_or("")});
      }
    }
    if (!node_ || node_->engine().complete()) landing_->unlock();
    if (options_.on_staged) options_.on_staged();
  }

  void report() {
    guarded([&] {
      const Instant t = now();
      swarm::Engine& engine = node_->engine();
      const bool finished = engine.complete() && staged_;
      if (!engine.complete() && options_.timeout && t - node_->last_progress() > *options_.timeout)
        throw no_progress(*node_, metainfo_, *options_.timeout);
      if (t >= next_report_ && !stopping_) {
        next_report_ = t + report_every;
        sink().emit(
            progress_.next(*node_, metainfo_, unpacker_ ? unpacker_->unpacked_bytes() : 0, t));
      }
      if (finished && !stopping_ && (finish_asked_ || linger_.is_over(*node_, t))) {
        if (engine.swarm_complete())
          sink().emit(events::SwarmComplete{engine.fleet().hosts, to_seconds(t - started_)});
        stop();
      }
    });
    if (stopped_) return;
    report_timer_.expires_after(std::chrono::milliseconds(50));
    report_timer_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec) report();
    });
  }

  void interrupted(int signal) {
    if (engine_done()) {
      stop();
      return;
    }
    fail(std::make_exception_ptr(ended_by(signal, *node_, metainfo_)));
  }

  bool engine_done() const { return node_ && node_->engine().complete() && staged_; }

  void fail(std::exception_ptr error) {
    if (error_) return;
    error_ = std::move(error);
    if (node_) node_->mark_failed();
    stop();
  }

  void stop() {
    if (std::exchange(stopping_, true)) return;
    signals_.cancel();
    const auto stopped = [this] {
      stopped_ = true;
      report_timer_.cancel();
      over();
    };
    if (node_)
      node_->stop(stopped);
    else
      stopped();
  }

  /// Nothing more is to be done but to say how it ended.
  void over() {
    if (!control_) {
      io_.stop();
      return;
    }
    // Whoever called this may be a part of what ends now.
    asio::post(io_, [this] {
      unpacker_.reset();
      staging_.request_stop();
      workers_.join();
      landing_->unlock();
      if (error_) control_->tell_error(error_);
      signals_.async_wait([this](const boost::system::error_code& ec, int) {
        if (!ec) io_.stop();
      });
      control_->drain([this] { io_.stop(); });
    });
  }

  // --- what controllers ask ---

  TransferState state() const override {
    TransferState state;
    state.tag = metainfo_.tag();
    state.info_hash = metainfo_.info_hash;
    state.size_bytes = metainfo_.length;
    state.pieces = metainfo_.piece_count();
    state.seeder = options_.seeder;
    state.state = "fetching";
    if (node_) {
      state.have_bytes = node_->engine().bytes_have();
      state.have_pieces = node_->engine().have().count();
      state.listening = node_->listening();
      if (node_->engine().complete()) state.state = staged_ ? "staged" : "complete";
    }
    if (error_) state.state = "failed";
    return state;
  }
  swarm::Bitfield have() const override { return running().engine().have(); }
  void feed(PieceIndex piece, std::vector<std::uint8_t> bytes,
            std::function<void(std::exception_ptr)> done) override {
    running().feed(piece, std::move(bytes), std::move(done));
  }
  bool feed_is_full() const override {
    return node_ && node_->feeding_bytes() >= SwarmNode::max_feeding_bytes;
  }
  void add_tracker(const std::string& url) override { running().add_tracker(url); }
  void finish() override { finish_asked_ = true; }
  void give_up() override {
    if (!stopping_) interrupted(SIGTERM);
  }

  const SwarmNode& running() const {
    if (!node_ || stopping_)
      throw Error(ErrorKind::failed, fmt::format("the transfer of {} is over", metainfo_.tag()));
    return *node_;
  }
  SwarmNode& running() { return const_cast<SwarmNode&>(std::as_const(*this).running()); }

  const PeerOptions& options_;
  events::EventSink& outer_events_;
  Log& log_;
  Instant started_;
  Metainfo metainfo_;
  std::unique_ptr<Landing> landing_;
  asio::io_context io_{1};
  asio::thread_pool workers_{2};
  asio::signal_set signals_;
  asio::steady_timer report_timer_;
  std::optional<TransferControl> control_;
  std::optional<Payload> payload_;
  std::optional<SwarmNode> node_;
  std::optional<Unpacker> unpacker_;
  std::stop_source staging_;
  Lingering linger_;
  std::uint64_t resumed_bytes_ = 0;
  std::size_t manifest_missing_ = 0;
  bool staged_ = false;
  bool finish_asked_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
  Instant next_report_{};
  ProgressMeter progress_{now()};
  std::exception_ptr error_;
};

}  // namespace

void run_peer(const PeerOptions& options, events::EventSink& events, Log log) {
  net::ignore_sigpipe();
  PeerSession(options, events, log).run();
}

}  // namespace murder::node
