#include "cli/wording.hpp"

#include <algorithm>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/units.hpp"

namespace murder::cli {
namespace {

std::string rate(std::uint64_t bytes_per_s) {
  return format_rate(Rate{static_cast<double>(bytes_per_s)});
}

std::string seconds(double s) { return format_duration(from_seconds(s)); }

/// Never 100 before it is all.
unsigned percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0
             ? 100
             : static_cast<unsigned>(static_cast<double>(part) / static_cast<double>(whole) * 100);
}

std::string instead_of(const std::string& previous_tag) {
  return previous_tag.empty() ? std::string()
                              : fmt::format(", instead of {}", printable(previous_tag));
}

struct Sentence {
  std::string operator()(const events::Started& e) const {
    return fmt::format("{} {}: {} in {}", e.command == "seed" ? "serving" : "fetching",
                       printable(e.tag), format_bytes(e.size_bytes),
                       counted(e.pieces, "piece", "pieces"));
  }
  std::string operator()(const events::Listening& e) const {
    return fmt::format("listening on {}", e.endpoint.to_string());
  }
  std::string operator()(const events::TrackerState& e) const {
    // Of one that is silent the log tells, with the reason and the time.
    return e.ok ? fmt::format("tracker {} answers", printable(e.url)) : std::string();
  }
  std::string operator()(const events::WebSeedState& e) const {
    return e.ok ? fmt::format("web seed {} gives what no peer has", printable(e.url))
                : std::string();
  }
  std::string operator()(const events::Complete& e) const {
    const std::uint64_t received = e.downloaded_bytes + e.fed_bytes + e.web_bytes;
    if (received == 0)
      return fmt::format("{} is here and verified; nothing to fetch", printable(e.tag));
    const std::string resumed =
        e.resumed_bytes == 0 ? std::string()
                             : fmt::format(", {} were here before", format_bytes(e.resumed_bytes));
    return fmt::format("{} is complete and verified after {}: {} received{}, {} passed on",
                       printable(e.tag), seconds(e.seconds), format_bytes(received), resumed,
                       format_bytes(e.uploaded_bytes));
  }
  std::string operator()(const events::Staged& e) const {
    return fmt::format("{} is staged after {}: {}, {}, at {}", printable(e.tag), seconds(e.seconds),
                       counted(e.files, "file", "files"), format_bytes(e.bytes),
                       printable(e.path, 4096));
  }
  std::string operator()(const events::Activated& e) const {
    return fmt::format("{} is live{}", printable(e.tag), instead_of(e.previous_tag));
  }
  std::string operator()(const events::RolledBack& e) const {
    return fmt::format("{} is live again{}", printable(e.tag), instead_of(e.previous_tag));
  }
  std::string operator()(const events::Packed& e) const {
    return fmt::format("packed {}, {}, to {} in {} ({:.0f} MB/s)",
                       counted(e.files, "file", "files"), format_bytes(e.source_bytes),
                       format_bytes(e.pack_bytes), seconds(e.seconds), e.mb_per_s);
  }
  std::string operator()(const events::Withdrawn& e) const {
    return fmt::format("{} is served no more: {}", printable(e.tag), printable(e.reason));
  }
  std::string operator()(const events::SwarmComplete& e) const {
    return fmt::format("everyone has it: {}", counted(e.hosts, "host", "hosts"));
  }
  std::string operator()(const events::Warning& e) const {
    return fmt::format("warning: {}", printable(e.message, 1000));
  }
  /// Shown as lines that are redrawn, as data, told by the log, or by whoever ends the command.
  template <class Other>
  std::string operator()(const Other&) const {
    return {};
  }
};

}  // namespace

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

Phase phase_after(Phase phase, const events::Event& event) {
  if (const auto* started = std::get_if<events::Started>(&event))
    return started->command == "seed" ? Phase::serving : Phase::fetching;
  if (std::holds_alternative<events::Complete>(event))
    return phase == Phase::serving ? Phase::serving : Phase::unpacking;
  if (std::holds_alternative<events::Staged>(event)) return Phase::serving;
  return phase;
}

std::string sentence(const events::Event& event) { return std::visit(Sentence{}, event); }

std::string progress_line(const events::Progress& p, Phase phase) {
  const std::string tag = printable(p.tag);
  const std::string links = counted(p.links, "link", "links");
  const bool whole = p.have_bytes == p.total_bytes;
  if (whole && phase == Phase::unpacking && p.unpacked_bytes > 0)
    return fmt::format("{}  complete, unpacking: {} written", tag, format_bytes(p.unpacked_bytes));
  if (whole && phase != Phase::fetching)
    return fmt::format("{}  serving  {}  {}", tag, rate(p.up_bytes_per_s), links);
  std::string line = fmt::format("{}  {} %  {} of {}  {}  {}", tag,
                                 percent(p.have_bytes, p.total_bytes), format_bytes(p.have_bytes),
                                 format_bytes(p.total_bytes), rate(p.down_bytes_per_s), links);
  if (p.seconds_left) line += fmt::format("  {} left", seconds(std::min(*p.seconds_left, 1e8)));
  return line;
}

std::string packing_line(std::uint64_t done, std::uint64_t total) {
  return fmt::format("packing  {} %  {} of {}", percent(done, total), format_bytes(done),
                     format_bytes(total));
}

std::string fleet_line(const events::Fleet& fleet) {
  std::string line =
      fmt::format("{} of {} complete", fleet.complete, counted(fleet.hosts, "host", "hosts"));
  if (fleet.failed > 0) line += fmt::format(", {} failed", fleet.failed);
  return line;
}

std::string packed_lines(const events::Packed& packed) {
  // A path may hold anything; what cannot be printed is no good in a line of text either.
  const std::string magnet =
      packed.magnet.empty() ? "" : fmt::format("magnet {}\n", printable(packed.magnet, 1u << 17));
  return fmt::format("tag {}\npayload {}\ntorrent {}\n{}", packed.tag, printable(packed.path, 4096),
                     printable(packed.torrent, 4096), magnet);
}

std::string drift_line(const events::Drifted& drifted) {
  return fmt::format("{:<8} {}{}{}\n", drifted.kind, printable(drifted.path, 4096),
                     drifted.detail.empty() ? "" : ": ", printable(drifted.detail, 500));
}

std::string pruned_line(const events::Pruned& pruned) {
  if (pruned.tags.empty()) return "nothing to remove\n";
  return fmt::format("removed {}; {} freed\n", fmt::join(pruned.tags, ", "),
                     format_bytes(pruned.freed_bytes));
}

std::string release_table(const std::vector<events::Release>& releases) {
  std::size_t width = 3;
  for (const events::Release& release : releases) width = std::max(width, release.tag.size());
  std::string table = fmt::format("{:<{}}  STATE    STAGED\n", "TAG", width);
  for (const events::Release& release : releases) {
    const char* const state = release.partial ? "partial" : release.live ? "live" : "staged";
    const std::string when =
        release.staged_at == 0
            ? std::string("-")
            : fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                          fmt::gmtime(static_cast<std::time_t>(release.staged_at)));
    table += fmt::format("{:<{}}  {:<7}  {}\n", printable(release.tag), width, state, when);
  }
  return table;
}

std::string daemon_table(const std::vector<events::Daemon>& daemons) {
  std::size_t width = 4;
  for (const events::Daemon& daemon : daemons)
    width = std::max(width, printable(daemon.name).size());
  std::string table =
      fmt::format("{:<7}  {:<{}}  {:>7}  {:<23}  LOG\n", "ROLE", "NAME", width, "PROCESS", "SINCE");
  for (const events::Daemon& daemon : daemons)
    table += fmt::format("{:<7}  {:<{}}  {:>7}  {:%Y-%m-%d %H:%M:%S} UTC  {}\n", daemon.role,
                         printable(daemon.name), width, daemon.pid,
                         fmt::gmtime(static_cast<std::time_t>(daemon.since)),
                         daemon.log.empty() ? "-" : printable(daemon.log, 4096));
  return table;
}

}  // namespace murder::cli
