#include "node/progress_meter.hpp"

#include <algorithm>
#include <csignal>
#include <fmt/format.h>
#include <string>

namespace murder::node {

events::Progress ProgressMeter::next(const SwarmNode& node, const Metainfo& metainfo,
                                     std::uint64_t unpacked_bytes, Instant now) {
  const swarm::Engine& engine = node.engine();
  const double seconds = std::max(to_seconds(now - last_at_), 1e-3);
  const auto rate = [&](std::uint64_t bytes, std::uint64_t before) {
    return static_cast<double>(bytes - before) / seconds;
  };
  const std::uint64_t received = engine.downloaded() + node.fed_bytes() + node.web_bytes();
  const double down = rate(received, received_);
  const double up = rate(engine.uploaded(), uploaded_);
  last_at_ = now;
  received_ = received;
  uploaded_ = engine.uploaded();
  return {.tag = metainfo.tag(),
          .have_bytes = engine.bytes_have(),
          .total_bytes = metainfo.length,
          .down_bytes_per_s = static_cast<std::uint64_t>(down),
          .up_bytes_per_s = static_cast<std::uint64_t>(up),
          .links = static_cast<std::uint32_t>(engine.link_count()),
          .seconds_left = down > 0 ? std::optional(static_cast<double>(engine.bytes_left()) / down)
                                   : std::nullopt,
          .unpacked_bytes = unpacked_bytes};
}

Error no_progress(const SwarmNode& node, const Metainfo& metainfo, Duration timeout) {
  const swarm::Engine& engine = node.engine();
  const std::uint32_t missing = metainfo.piece_count() - engine.have().count();
  const std::uint32_t nowhere = engine.pieces_out_of_reach();
  std::string why = fmt::format(
      "gave up on {} after {} without progress: {} of {} pieces ({:.1f} %) are missing, {} of "
      "them ({:.1f} %) at nobody "
      "who can be reached",
      metainfo.tag(), format_duration(timeout), missing, metainfo.piece_count(),
      100.0 * missing / metainfo.piece_count(), nowhere, 100.0 * nowhere / metainfo.piece_count());
  if (!node.tracker_problem().empty())
    why += fmt::format("; the tracker: {}", node.tracker_problem());
  if (const std::string problem = node.web_seed_problem(); !problem.empty()) why += "; " + problem;
  why += fmt::format("; {} connected. Run the same command again to go on from here",
                     engine.link_count() == 0 ? std::string("no peer is")
                                              : fmt::format("{} peers are", engine.link_count()));
  return {ErrorKind::unreachable, why};
}

Error ended_by(int signal, const SwarmNode& node, const Metainfo& metainfo) {
  const bool interrupted = signal == SIGINT;
  const double percent = 100.0 * static_cast<double>(node.engine().bytes_have()) /
                         static_cast<double>(metainfo.length);
  return {interrupted ? ErrorKind::interrupted : ErrorKind::terminated,
          fmt::format("{}: {:.1f} % of {} is here; run the same command again to go on",
                      interrupted ? "interrupted" : "terminated", percent, metainfo.tag())};
}

}  // namespace murder::node
