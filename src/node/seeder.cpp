// `murder seed`: serves one payload from the host that has it.
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <csignal>
#include <exception>
#include <fmt/format.h>

#include "base/error.hpp"
#include "net/signals.hpp"
#include "node/lingering.hpp"
#include "node/metainfo_source.hpp"
#include "node/options.hpp"
#include "node/payload.hpp"
#include "node/payload_check.hpp"
#include "node/swarm_node.hpp"

namespace murder::node {
namespace {

constexpr Duration report_every = std::chrono::milliseconds(500);

Instant now() { return std::chrono::steady_clock::now(); }

}  // namespace

void run_seeder(const SeedOptions& options, events::EventSink& events, Log log) {
  net::ignore_sigpipe();
  const Instant started = now();
  const Metainfo metainfo = load_metainfo(options.torrent.string(), log);
  Payload payload(metainfo, options.payload, Payload::Access::read);
  check_payload(metainfo, payload);

  boost::asio::io_context io(1);
  boost::asio::thread_pool workers(1);
  SwarmNodeOptions node_options;
  node_options.role = AnnounceRole::seeder;
  node_options.listen = options.listen;
  node_options.ports = options.ports;
  node_options.trackers = options.trackers;
  node_options.name = options.name;
  node_options.up = swarm::limit_to(options.limits.up);
  node_options.first = manifest_pieces(metainfo);
  swarm::Bitfield everything(metainfo.piece_count());
  everything.set_all();
  SwarmNode node(io, workers, metainfo, payload, everything, node_options, events, log, {});

  events.emit(events::Started{.command = "seed",
                              .tag = metainfo.tag(),
                              .info_hash = metainfo.info_hash,
                              .size_bytes = metainfo.length,
                              .pieces = metainfo.piece_count(),
                              .kind = payload_kind(metainfo)});
  node.start();

  std::exception_ptr error;
  bool stopping = false;
  const auto stop = [&] {
    if (std::exchange(stopping, true)) return;
    node.stop([&] { io.stop(); });
  };
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code& ec, int) {
    if (!ec) stop();
  });
  // Whoever hears that it listens may end it at once.
  events.emit(events::Listening{"seeder", node.local_endpoint()});
  if (!node.has_trackers())
    log.warning("the torrent names no tracker: only those who are told of {} will find it",
                node.local_endpoint().to_string());

  Lingering linger(options.linger);
  boost::asio::steady_timer timer(io);
  Instant next_report = now();
  std::uint64_t last_uploaded = 0;
  std::function<void()> report = [&] {
    const Instant t = now();
    if (t >= next_report && !stopping) {
      next_report = t + report_every;
      const std::uint64_t uploaded = node.engine().uploaded();
      events.emit(events::Progress{
          .tag = metainfo.tag(),
          .have_bytes = metainfo.length,
          .total_bytes = metainfo.length,
          .down_bytes_per_s = 0,
          .up_bytes_per_s = static_cast<std::uint64_t>(
              static_cast<double>(uploaded - last_uploaded) / to_seconds(report_every)),
          .links = static_cast<std::uint32_t>(node.engine().link_count()),
          .seconds_left = std::nullopt,
          .unpacked_bytes = 0});
      last_uploaded = uploaded;
    }
    if (!stopping && linger.is_over(node, t)) {
      if (node.engine().swarm_complete())
        events.emit(events::SwarmComplete{node.engine().fleet().hosts, to_seconds(t - started)});
      stop();
    }
    timer.expires_after(std::chrono::milliseconds(100));
    timer.async_wait([&](const boost::system::error_code& ec) {
      if (!ec) report();
    });
  };
  report();
  io.run();
  workers.join();
}

}  // namespace murder::node
