// `murder tracker`: the registry behind HTTP.
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <fmt/format.h>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/random.hpp"
#include "bittorrent/announce.hpp"
#include "net/http.hpp"
#include "net/signals.hpp"
#include "node/file_folder.hpp"
#include "node/options.hpp"
#include "node/statistics_page.hpp"
#include "node/swarms_page.hpp"
#include "node/torrent_list.hpp"
#include "node/tracker_state.hpp"
#include "tracker/admission.hpp"
#include "tracker/registry.hpp"

namespace murder::node {
namespace {

/// Before --exit-when-complete ends it: each member announces about once a second and is to hear
/// that it may go.
constexpr Duration farewell = std::chrono::seconds(3);

Instant now() { return std::chrono::steady_clock::now(); }

/// A tracker's error is a bencoded "failure reason" with status 200: clients show it (BEP 3).
net::HttpResponse failure(const std::string& reason) {
  AnnounceReply reply;
  reply.failure_reason = reason;
  return {200, "text/plain", encode_announce_reply(reply, true)};
}

constexpr std::string_view files_path = "/files/";

/// With a file's name in its path.
net::HttpResponse file_answer(const FileFolder& folder, const net::HttpRequest& request) {
  net::HttpResponse response{200, "application/octet-stream", ""};
  response.file = folder.open(request.path().substr(files_path.size()));
  if (response.file) return response;
  return {404, "text/plain; charset=utf-8", "no such file\n"};
}

net::HttpResponse answer(tracker::Registry& registry, const tracker::Admission& admission,
                         Instant started, const net::HttpRequest& request) {
  if (request.path() == "/announce") {
    try {
      const AnnounceRequest announce = parse_announce_query(request.query());
      const std::string refusal = admission.refusal(announce, request.remote.address);
      if (!refusal.empty()) return failure(refusal);
      return {200, "text/plain",
              encode_announce_reply(registry.announce(announce, request.remote.address, now()),
                                    announce.compact)};
    } catch (const Error& error) {
      return failure(error.what());
    }
  }
  if (request.path() == "/scrape") {
    try {
      return {200, "text/plain",
              encode_scrape_reply(registry.scrape(parse_scrape_query(request.query())))};
    } catch (const Error& error) {
      return failure(error.what());
    }
  }
  if (request.path() == "/swarms")
    return {200, "application/json", swarms_page(registry.swarms(now()))};
  if (request.path() == "/")
    return {200, "text/html; charset=utf-8",
            statistics_page(registry.swarms(now()), now() - started)};
  if (request.path() == "/healthz") return {200, "text/plain; charset=utf-8", "ok\n"};
  return {404, "text/plain; charset=utf-8",
          "this is a BitTorrent tracker: /, /announce, /scrape, /swarms, /healthz\n"};
}

events::Fleet to_event(const tracker::SwarmView& view) {
  events::Fleet fleet;
  fleet.info_hash = view.info_hash.hex();
  fleet.hosts = view.hosts;
  fleet.complete = view.complete_hosts;
  fleet.failed = view.failed_hosts;
  return fleet;
}

}  // namespace

void run_tracker(const TrackerOptions& options, events::EventSink& events, Log log) {
  net::ignore_sigpipe();
  const Instant started = now();
  boost::asio::io_context io(1);
  tracker::RegistryOptions registry_options;
  registry_options.expect = options.expect;
  tracker::Registry registry(registry_options, Random::from_system());
  tracker::Admission admission{options.allowed, options.banned, std::nullopt};
  const auto warn = [&](const std::string& warning) {
    log.warning("{}", warning);
    events.emit(events::Warning{warning});
  };
  std::optional<TorrentList> torrents;
  if (!options.torrents.empty()) {
    torrents.emplace(options.torrents, warn);
    admission.torrents = torrents->torrents();
  }
  std::optional<TrackerState> state;
  if (!options.state.empty()) state.emplace(options.state, registry, admission, now(), warn);
  std::optional<FileFolder> files;
  if (!options.files.empty()) files.emplace(options.files);
  Instant last_used = now();
  net::HttpServer server(io, options.listen, [&](const net::HttpRequest& request) {
    log.debug("{} {} {}", request.remote.to_string(), request.method,
              printable(request.target, 400));
    const bool is_for_file = files && request.path().starts_with(files_path);
    // Whoever only watches keeps nothing alive.
    if (is_for_file || request.path() == "/announce") last_used = now();
    return is_for_file ? file_answer(*files, request)
                       : answer(registry, admission, started, request);
  });
  // Whoever hears that it listens may end it at once.
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code& ec, int) {
    if (!ec) io.stop();
  });
  events.emit(events::Listening{"tracker", server.local_endpoint()});

  boost::asio::steady_timer timer(io);
  std::string last_line;
  std::optional<Instant> complete_since;
  std::function<void()> every_second = [&] {
    registry.expire(now());
    if (torrents) {
      torrents->refresh();
      admission.torrents = torrents->torrents();
    }
    if (state) state->refresh(now());
    bool all_complete = true;
    std::uint32_t hosts = 0;
    const auto swarms = registry.swarms(now());
    for (const tracker::SwarmView& view : swarms) {
      all_complete &= view.swarm_complete;
      hosts += view.hosts;
      const std::string line =
          fmt::format("{}/{}/{}", view.hosts, view.complete_hosts, view.failed_hosts);
      if (swarms.size() > 1 || line != last_line) events.emit(to_event(view));
      last_line = line;
    }
    const bool complete = !swarms.empty() && all_complete;
    if (!complete) {
      complete_since.reset();
    } else if (!complete_since) {
      complete_since = now();
      events.emit(events::SwarmComplete{hosts, to_seconds(*complete_since - started)});
    }
    if (complete_since && options.exit_when_complete && now() - *complete_since >= farewell) {
      io.stop();
      return;
    }
    if (server.file_count() > 0) last_used = now();
    if (options.exit_when_idle && now() - last_used >= *options.exit_when_idle) {
      log.info("nobody has announced or fetched anything for {}",
               format_duration(*options.exit_when_idle));
      io.stop();
      return;
    }
    timer.expires_after(std::chrono::seconds(1));
    timer.async_wait([&](const boost::system::error_code& ec) {
      if (!ec) every_second();
    });
  };
  every_second();
  io.run();
  if (state) state->save();
}

}  // namespace murder::node
