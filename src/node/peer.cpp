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
#include "node/swarm_node.hpp"
#include "node/unpacker.hpp"
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

class PeerSession {
 public:
  PeerSession(const PeerOptions& options, events::EventSink& events, Log& log)
      : options_(options),
        events_(events),
        log_(log),
        started_(now()),
        metainfo_(load_metainfo(options.source, log)),
        landing_(Landing::prepare(metainfo_, options)),
        signals_(io_, SIGINT, SIGTERM),
        report_timer_(io_),
        linger_(options.linger) {}

  void run() {
    events_.emit(events::Started{.command = "peer",
                                 .tag = metainfo_.tag(),
                                 .info_hash = metainfo_.info_hash,
                                 .size_bytes = metainfo_.length,
                                 .pieces = metainfo_.piece_count(),
                                 .kind = landing_->is_pack() ? "pack" : "file"});
    if (metainfo_.piece_sha256.empty())
      warn(fmt::format("{} was not made by murder: verified by SHA-1, carried as a file",
                       options_.source));
    if (landing_->already_staged() && !landing_->payload_is_final()) {
      report_staged_before();
      return;
    }
    // A kept pack may have been damaged since it was whole: what is wrong in it is fetched again.
    payload_.emplace(metainfo_, landing_->payload_path(),
                     landing_->payload_is_final() && !landing_->is_release()
                         ? Payload::Access::read
                         : Payload::Access::read_write);
    swarm::Bitfield have = landing_->resumes()
                               ? find_pieces(metainfo_, payload_->fd(), payload_->path())
                               : swarm::Bitfield(metainfo_.piece_count());
    if (landing_->already_staged() && !have.all()) {
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

    SwarmNodeOptions node_options;
    node_options.listen = options_.listen;
    node_options.port = options_.port;
    node_options.trackers = options_.trackers;
    node_options.name = options_.name.empty() ? own_name() : options_.name;
    node_options.limits = options_.limits;
    node_options.first = manifest_pieces(metainfo_);
    manifest_missing_ = node_options.first.size();
    for (const PieceIndex piece : node_options.first)
      if (have.test(piece)) --manifest_missing_;
    node_.emplace(io_, workers_, metainfo_, *payload_, have, std::move(node_options), events_, log_,
                  SwarmNodeCallbacks{
                      .on_piece = [this](PieceIndex piece) { piece_verified(piece); },
                      .on_complete = [this] { completed(); },
                      .on_failure = [this](std::exception_ptr error) { fail(std::move(error)); }});
    signals_.async_wait([this](const boost::system::error_code& ec, int signal) {
      if (!ec) interrupted(signal);
    });

    guarded([&] {
      node_->start();
      events_.emit(events::Listening{"peer", node_->local_endpoint()});
      if (landing_->already_staged())
        staged();
      else if (manifest_missing_ == 0 && landing_->unpacks())
        begin_unpacking();
      if (node_->engine().complete()) completed();
    });
    report();
    io_.run();
    unpacker_.reset();
    workers_.join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  /// Runs a part of the loop's work; what it throws ends the session.
  template <class Work>
  void guarded(Work work) {
    try {
      work();
    } catch (...) {
      fail(std::current_exception());
    }
  }

  void warn(const std::string& message) { events_.emit(events::Warning{message}); }

  /// The release is here and its pack is not: nothing to fetch, nothing to serve, only to be
  /// counted.
  void report_staged_before() {
    staged();
    swarm::Bitfield everything(metainfo_.piece_count());
    everything.set_all();
    payload_.emplace(metainfo_, landing_->payload_path(), Payload::Access::none);
    SwarmNodeOptions node_options;
    node_options.listen = options_.listen;
    node_options.trackers = options_.trackers;
    node_options.name = options_.name.empty() ? own_name() : options_.name;
    node_.emplace(io_, workers_, metainfo_, *payload_, everything, std::move(node_options), events_,
                  log_, SwarmNodeCallbacks{});
    node_->report_complete([this] { io_.stop(); });
    io_.run();
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
      events_.emit(events::Complete{.tag = metainfo_.tag(),
                                    .seconds = to_seconds(now() - started_),
                                    .downloaded_bytes = node_->engine().downloaded(),
                                    .uploaded_bytes = node_->engine().uploaded(),
                                    .resumed_bytes = resumed_bytes_});
      if (unpacker_) {
        unpacker_->hurry();
      } else if (!landing_->unpacks() && !staged_) {
        landing_->stage_file(*payload_);
        staged();
      }
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
      events_.emit(events::Staged{
          .tag = metainfo_.tag(),
          .path = (landing_->destination().path() / "releases" / metainfo_.tag()).string(),
          .seconds = to_seconds(now() - started_),
          .files = manifest != nullptr ? count_files(*manifest) : 1,
          .bytes = manifest != nullptr ? manifest->total_file_bytes() : metainfo_.length});
      if (options_.activate) {
        const auto previous = activate(landing_->destination(), metainfo_.tag());
        events_.emit(events::Activated{metainfo_.tag(), previous.value_or("")});
      }
    }
    landing_->unlock();
    if (options_.on_staged) options_.on_staged();
  }

  void report() {
    guarded([&] {
      const Instant t = now();
      swarm::Engine& engine = node_->engine();
      const bool finished = engine.complete() && staged_;
      if (!engine.complete() && options_.timeout && t - node_->last_progress() > *options_.timeout)
        give_up();
      if (t >= next_report_ && !stopping_) {
        next_report_ = t + report_every;
        report_progress(t);
      }
      if (finished && !stopping_ && linger_.is_over(*node_, t)) {
        if (engine.swarm_complete())
          events_.emit(events::SwarmComplete{engine.fleet().hosts, to_seconds(t - started_)});
        stop();
      }
    });
    if (stopped_) return;
    report_timer_.expires_after(std::chrono::milliseconds(50));
    report_timer_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec) report();
    });
  }

  void report_progress(Instant t) {
    swarm::Engine& engine = node_->engine();
    const double seconds = std::max(to_seconds(t - last_report_), 1e-3);
    const auto rate = [&](std::uint64_t bytes, std::uint64_t before) {
      return static_cast<double>(bytes - before) / seconds;
    };
    const double down = rate(engine.downloaded(), last_downloaded_);
    events_.emit(events::Progress{
        .tag = metainfo_.tag(),
        .have_bytes = engine.bytes_have(),
        .total_bytes = metainfo_.length,
        .down_bytes_per_s = static_cast<std::uint64_t>(down),
        .up_bytes_per_s = static_cast<std::uint64_t>(rate(engine.uploaded(), last_uploaded_)),
        .links = static_cast<std::uint32_t>(engine.link_count()),
        .seconds_left = down > 0
                            ? std::optional<double>(static_cast<double>(engine.bytes_left()) / down)
                            : std::nullopt,
        .unpacked_bytes = unpacker_ ? unpacker_->unpacked_bytes() : 0});
    last_report_ = t;
    last_downloaded_ = engine.downloaded();
    last_uploaded_ = engine.uploaded();
  }

  [[noreturn]] void give_up() {
    const swarm::Engine& engine = node_->engine();
    const std::uint32_t missing = metainfo_.piece_count() - engine.have().count();
    const std::uint32_t nowhere = engine.pieces_out_of_reach();
    std::string why = fmt::format(
        "gave up on {} after {} without progress: {} of {} pieces ({:.1f} %) are missing, {} of "
        "them ({:.1f} %) at nobody "
        "who can be reached",
        metainfo_.tag(), format_duration(*options_.timeout), missing, metainfo_.piece_count(),
        100.0 * missing / metainfo_.piece_count(), nowhere,
        100.0 * nowhere / metainfo_.piece_count());
    if (!node_->tracker_problem().empty())
      why += fmt::format("; the tracker: {}", node_->tracker_problem());
    why += fmt::format("; {} connected. Run the same command again to go on from here",
                       engine.link_count() == 0 ? std::string("no peer is")
                                                : fmt::format("{} peers are", engine.link_count()));
    throw Error(ErrorKind::unreachable, why);
  }

  void interrupted(int signal) {
    if (engine_done()) {
      stop();
      return;
    }
    const auto kind = signal == SIGINT ? ErrorKind::interrupted : ErrorKind::terminated;
    const double percent = 100.0 * static_cast<double>(node_->engine().bytes_have()) /
                           static_cast<double>(metainfo_.length);
    fail(std::make_exception_ptr(Error(
        kind,
        fmt::format("{}: {:.1f} % of {} is here; run the same command again to go on",
                    signal == SIGINT ? "interrupted" : "terminated", percent, metainfo_.tag()))));
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
      io_.stop();
    };
    node_->stop(stopped);
  }

  const PeerOptions& options_;
  events::EventSink& events_;
  Log& log_;
  Instant started_;
  Metainfo metainfo_;
  std::unique_ptr<Landing> landing_;
  asio::io_context io_{1};
  asio::thread_pool workers_{2};
  asio::signal_set signals_;
  asio::steady_timer report_timer_;
  std::optional<Payload> payload_;
  std::optional<SwarmNode> node_;
  std::optional<Unpacker> unpacker_;
  Lingering linger_;
  std::uint64_t resumed_bytes_ = 0;
  std::size_t manifest_missing_ = 0;
  bool staged_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
  Instant next_report_{};
  Instant last_report_{now()};
  std::uint64_t last_downloaded_ = 0;
  std::uint64_t last_uploaded_ = 0;
  std::exception_ptr error_;
};

}  // namespace

void run_peer(const PeerOptions& options, events::EventSink& events, Log log) {
  net::ignore_sigpipe();
  PeerSession(options, events, log).run();
}

}  // namespace murder::node
