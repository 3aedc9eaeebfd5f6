// `murder seed FOLDER`: every torrent of a folder, in one process and at one port.
//
// The folder is looked at once a second. What is new or has changed is opened and hashed by a
// thread of its own, one after another, and served when it is what its torrent says.
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <csignal>
#include <exception>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <utility>

#include "base/error.hpp"
#include "net/handshake_router.hpp"
#include "net/signals.hpp"
#include "net/upload_turns.hpp"
#include "node/metainfo_source.hpp"
#include "node/options.hpp"
#include "node/payload.hpp"
#include "node/payload_check.hpp"
#include "node/swarm_node.hpp"
#include "swarm/rate_limit.hpp"

namespace murder::node {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr Duration look_every = std::chrono::seconds(1);
constexpr std::string_view pack_suffix = ".tar.zst";

/// When it last changed, and how large it is; "-": it is not there.
std::string state_of(const fs::path& path) {
  std::error_code ec;
  const auto time = fs::last_write_time(path, ec);
  if (ec) return "-";
  const auto size = fs::is_regular_file(path, ec) ? fs::file_size(path, ec) : 0;
  return fmt::format("{} {}", time.time_since_epoch().count(), size);
}

/// Where the payload of a torrent may lie: under the torrent's own name or the one in it.
std::vector<fs::path> places_of(const fs::path& torrent, const Metainfo& metainfo) {
  fs::path stem = torrent;
  stem.replace_extension();
  return {stem.native() + std::string(pack_suffix), stem, torrent.parent_path() / metainfo.name};
}

/// A torrent that was found to be whole, and its part in its swarm, which refers to what is before.
struct Served {
  Metainfo metainfo;
  std::unique_ptr<Payload> payload;
  std::optional<SwarmNode> node;
};

class FolderSeeder {
 public:
  FolderSeeder(const SeedFolderOptions& options, events::EventSink& events, Log& log)
      : options_(options),
        events_(events),
        log_(log),
        signals_(io_, SIGINT, SIGTERM),
        timer_(io_),
        turns_(std::make_shared<net::UploadTurns>(io_)),
        up_(swarm::limit_to(options.limits.up)) {
    std::error_code ec;
    if (!fs::is_directory(options_.folder, ec))
      throw Error(ErrorKind::usage, fmt::format("cannot seed {}: no such folder",
                                                printable(options_.folder.native())));
    router_.emplace(io_, options_.listen, options_.ports,
                    [this](const InfoHash& asked, asio::ip::tcp::socket socket) {
                      const auto wanted = nodes_.find(asked);
                      if (wanted != nodes_.end()) wanted->second->take(std::move(socket));
                    });
  }

  void run() {
    signals_.async_wait([this](const boost::system::error_code& ec, int) {
      if (!ec) stop();
    });
    events_.emit(events::Listening{"seeder", router_->local_endpoint()});
    look();
    io_.run();
    workers_.join();
  }

 private:
  /// One torrent file.
  struct Seed {
    std::string state;                      ///< of the torrent, when it was looked at
    std::vector<fs::path> places;           ///< where its payload may lie
    std::vector<std::string> place_states;  ///< of those
    std::string problem;                    ///< why it is not served, as it was told
    bool opening = false;
    std::shared_ptr<Served> served;
  };

  void look() {
    if (stopping_) return;
    std::set<std::string> here;
    std::error_code ec;
    for (fs::directory_iterator entry(options_.folder, ec), end; !ec && entry != end;
         entry.increment(ec))
      if (entry->path().extension() == ".torrent") here.insert(entry->path().filename().native());
    tell_of_folder(ec ? fmt::format("cannot read {}: {}", options_.folder.native(), ec.message())
                      : std::string());
    if (!ec) drop_missing(here);
    for (const std::string& name : here) look_at(name);
    timer_.expires_after(look_every);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) look();
    });
  }

  void tell_of_folder(const std::string& problem) {
    if (problem == folder_problem_) return;
    folder_problem_ = problem;
    if (!problem.empty()) events_.emit(events::Warning{problem});
  }

  void drop_missing(const std::set<std::string>& here) {
    for (auto it = seeds_.begin(); it != seeds_.end();) {
      if (here.contains(it->first) || it->second->opening) {
        ++it;
        continue;
      }
      if (it->second->served) withdraw(*it->second, fmt::format("{} was removed", it->first));
      it = seeds_.erase(it);
    }
  }

  static std::vector<std::string> states_of(const std::vector<fs::path>& places) {
    std::vector<std::string> states;
    states.reserve(places.size());
    for (const fs::path& place : places) states.push_back(state_of(place));
    return states;
  }

  void look_at(const std::string& name) {
    const fs::path torrent = options_.folder / name;
    std::unique_ptr<Seed>& seed = seeds_[name];
    if (!seed) seed = std::make_unique<Seed>();
    if (seed->opening) return;
    std::string state = state_of(torrent);
    std::vector<std::string> places = states_of(seed->places);
    if (state == seed->state && places == seed->place_states) return;
    if (seed->served)
      withdraw(*seed, state == seed->state ? "its payload was changed"
                                           : fmt::format("{} was changed", name));
    seed->state = std::move(state);
    open(name, *seed);
  }

  /// On the worker's thread; what comes of it on the loop's.
  void open(const std::string& name, Seed& seed) {
    seed.opening = true;
    asio::post(workers_, [this, name, torrent = options_.folder / name] {
      auto opened = std::make_shared<Served>();
      std::vector<fs::path> places;
      std::vector<std::string> states;
      std::string problem;
      try {
        opened->metainfo = load_metainfo(torrent.native(), log_);
        places = places_of(torrent, opened->metainfo);
        states = states_of(places);
        opened->payload = whole_payload(opened->metainfo, places, stop_.get_token());
      } catch (const std::exception& error) {
        problem = error.what();
      }
      asio::post(io_, [this, name, opened, places = std::move(places), states = std::move(states),
                       problem = std::move(problem)] {
        const auto seed = seeds_.find(name);
        if (seed == seeds_.end() || stopping_) return;
        seed->second->opening = false;
        seed->second->places = places;
        seed->second->place_states = states;
        if (problem.empty())
          try_to_serve(name, *seed->second, opened);
        else
          tell_of(name, *seed->second, problem);
      });
    });
  }

  void tell_of(const std::string& name, Seed& seed, const std::string& problem) {
    if (problem == std::exchange(seed.problem, problem)) return;
    events_.emit(events::Warning{fmt::format("{} is not served: {}", name, problem)});
  }

  static std::unique_ptr<Payload> whole_payload(const Metainfo& metainfo,
                                                const std::vector<fs::path>& places,
                                                const std::stop_token& stop) {
    for (const fs::path& place : places) {
      std::error_code ec;
      const bool may_be = metainfo.is_tree() && fs::is_directory(place, ec);
      const bool is_whole =
          fs::is_regular_file(place, ec) && fs::file_size(place, ec) == metainfo.length;
      if (!may_be && !is_whole) continue;
      auto payload = std::make_unique<Payload>(metainfo, place, Payload::Access::read);
      check_payload(metainfo, *payload, stop);
      return payload;
    }
    throw Error(ErrorKind::failed, fmt::format("its payload is not there: {} of {} bytes",
                                               places.front().native(), metainfo.length));
  }

  /// One torrent that cannot be served keeps no other from it.
  void try_to_serve(const std::string& name, Seed& seed, const std::shared_ptr<Served>& served) {
    try {
      serve(name, seed, served);
    } catch (const Error& error) {
      tell_of(name, seed, error.what());
    }
  }

  void serve(const std::string& name, Seed& seed, const std::shared_ptr<Served>& served) {
    const Metainfo& metainfo = served->metainfo;
    if (nodes_.contains(metainfo.info_hash)) {
      tell_of(name, seed, "another torrent of this folder is the same");
      return;
    }
    SwarmNodeOptions options;
    options.role = AnnounceRole::seeder;
    options.listen = options_.listen;
    options.trackers = options_.trackers;
    options.name = options_.name;
    options.up = up_;
    options.first = manifest_pieces(metainfo);
    options.shared_listener = router_->local_endpoint();
    options.turns = turns_;
    swarm::Bitfield everything(metainfo.piece_count());
    everything.set_all();
    served->node.emplace(io_, workers_, metainfo, *served->payload, everything, std::move(options),
                         events_, log_, SwarmNodeCallbacks{});
    seed.served = served;
    seed.problem.clear();
    SwarmNode& node = *served->node;
    nodes_[metainfo.info_hash] = &node;
    events_.emit(events::Started{.command = "seed",
                                 .tag = metainfo.tag(),
                                 .info_hash = metainfo.info_hash,
                                 .size_bytes = metainfo.length,
                                 .pieces = metainfo.piece_count(),
                                 .kind = payload_kind(metainfo)});
    if (!node.has_trackers())
      log_.warning("{} names no tracker: only those who are told of {} will find it", name,
                   router_->local_endpoint().to_string());
    node.start();
  }

  /// Nobody finds it any more; those who have links to it lose them.
  void withdraw(Seed& seed, const std::string& reason) {
    const Metainfo& metainfo = seed.served->metainfo;
    events_.emit(events::Withdrawn{metainfo.tag(), metainfo.info_hash, reason});
    part(seed);
    // It may have been in the way of another that is the same.
    for (const auto& [name, other] : seeds_)
      if (!other->served && !other->opening) other->state.clear();
  }

  /// Kept until it has said good-bye to its tracker.
  void part(Seed& seed) {
    const std::shared_ptr<Served> leaving = std::exchange(seed.served, nullptr);
    nodes_.erase(leaving->metainfo.info_hash);
    ++leaving_;
    leaving->node->stop([this, leaving] {
      asio::post(io_, [this, leaving] {
        --leaving_;
        end_when_all_have_left();
      });
    });
  }

  void stop() {
    if (std::exchange(stopping_, true)) return;
    stop_.request_stop();
    timer_.cancel();
    for (const auto& [name, seed] : seeds_)
      if (seed->served) part(*seed);
    end_when_all_have_left();
  }

  void end_when_all_have_left() {
    if (stopping_ && leaving_ == 0) io_.stop();
  }

  const SeedFolderOptions& options_;
  events::EventSink& events_;
  Log& log_;
  asio::io_context io_{1};
  asio::thread_pool workers_{1};
  std::stop_source stop_;  ///< what is being hashed is given up
  asio::signal_set signals_;
  asio::steady_timer timer_;
  std::shared_ptr<net::UploadTurns> turns_;
  swarm::RateLimit up_;
  std::optional<net::HandshakeRouter> router_;
  std::map<std::string, std::unique_ptr<Seed>> seeds_;  ///< by the torrent's file name
  std::map<InfoHash, SwarmNode*> nodes_;                ///< that serve
  std::size_t leaving_ = 0;
  std::string folder_problem_;  ///< as it was told last
  bool stopping_ = false;
};

}  // namespace

void run_folder_seeder(const SeedFolderOptions& options, events::EventSink& events, Log log) {
  net::ignore_sigpipe();
  FolderSeeder(options, events, log).run();
}

}  // namespace murder::node
