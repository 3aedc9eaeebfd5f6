// A running node and its web seeds: ranges of the payload over HTTP, checked like everything else.
#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <utility>

#include "base/error.hpp"
#include "node/swarm_node.hpp"
#include "node/web_source.hpp"

namespace murder::node {
namespace {

Instant now() { return std::chrono::steady_clock::now(); }

}  // namespace

/// What of one request is still being checked.
struct SwarmNode::WebChecks {
  swarm::WebFetch fetch;
  std::uint32_t left = 0;
  std::optional<PieceIndex> wrong;
};

/// Those that can be fetched from; of the others the log tells.
std::vector<SwarmNode::WebSeed> SwarmNode::make_web_seeds(const Metainfo& metainfo,
                                                          const std::vector<std::string>& added,
                                                          Log& log) {
  std::vector<std::string> usable = added;
  for (const std::string& url : metainfo.web_seeds) {
    try {
      check_web_seed(url, metainfo);
      if (std::find(usable.begin(), usable.end(), url) == usable.end()) usable.push_back(url);
    } catch (const Error& error) {
      log.info("a web seed of the torrent is left out: {}", error.what());
    }
  }
  std::vector<WebSeed> seeds;
  seeds.reserve(usable.size());
  for (const std::string& url : usable) seeds.push_back({url, false, false, ""});
  return seeds;
}

void SwarmNode::fetch(const swarm::WebFetch& fetch) {
  ByteRange range{metainfo_.piece_offset(fetch.first), 0};
  for (std::uint32_t i = 0; i < fetch.count; ++i)
    range.length += metainfo_.piece_size(PieceIndex(fetch.first.value() + i));
  const std::string& url = web_seeds_[fetch.source].url;
  log_.debug("asking web seed {} for {} of the payload", shown_web_seed(url), range.to_header());
  const std::uint32_t number = next_web_request_++;
  web_requests_[number] = std::make_unique<WebRequest>(
      io_, web_parts(url, metainfo_, range), options_.listen,
      [this, number, fetch](const WebAnswer& answer, const std::string& bytes) {
        const auto finished = std::move(web_requests_.extract(number).mapped());
        web_answered(fetch, answer, bytes);
      });
}

void SwarmNode::web_answered(const swarm::WebFetch& fetch, const WebAnswer& answer,
                             const std::string& content) {
  if (stopping_) return;
  if (answer.outcome != swarm::WebOutcome::came) {
    web_ended(fetch, answer.outcome, answer.retry_after, answer.reason);
    return;
  }
  const auto checks = std::make_shared<WebChecks>(WebChecks{fetch, fetch.count, std::nullopt});
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(content.data());
  for (std::uint32_t i = 0; i < fetch.count; ++i) {
    const PieceIndex piece(fetch.first.value() + i);
    const std::uint32_t size = metainfo_.piece_size(piece);
    auto buffer = std::make_shared<std::vector<std::uint8_t>>(bytes, bytes + size);
    bytes += size;
    payload_.verify(
        piece, std::move(buffer), workers_, io_,
        [this, piece, checks, alive = alive_](bool matches, const std::exception_ptr& error) {
          if (*alive && !stopping_) web_checked(piece, matches, error, *checks);
        });
  }
}

void SwarmNode::web_checked(PieceIndex piece, bool matches, const std::exception_ptr& error,
                            WebChecks& checks) {
  if (error) {
    callbacks_.on_failure(error);
    return;
  }
  web_bytes_ += metainfo_.piece_size(piece);
  if (!matches) {
    checks.wrong = piece;
  } else if (!engine_.have().test(piece)) {
    payload_.forget(piece);
    const bool was_complete = engine_.complete();
    engine_.on_piece_fed(piece, now());
    piece_is_here(piece, was_complete);
  }
  if (--checks.left > 0 || stopping_) return;
  if (checks.wrong)
    web_ended(checks.fetch, swarm::WebOutcome::wrong, {},
              fmt::format("sent wrong data for piece {}", checks.wrong->value()));
  else
    web_ended(checks.fetch, swarm::WebOutcome::came, {}, "");
}

void SwarmNode::web_ended(const swarm::WebFetch& fetch, swarm::WebOutcome outcome,
                          Duration retry_after, const std::string& reason) {
  WebSeed& seed = web_seeds_[fetch.source];
  const bool banned = outcome == swarm::WebOutcome::wrong;
  // Of one that is banned what else was under way says nothing new.
  if (!seed.banned && (!seed.said || reason != seed.problem)) {
    const std::string url = shown_web_seed(seed.url);
    if (banned)
      log_.warning("web seed {} is not asked any more: {}", url, printable(reason, 300));
    else if (!reason.empty())
      log_.warning("web seed {}: {}; trying again", url, printable(reason, 300));
    else if (seed.said)
      log_.info("web seed {} answers again", url);
    events_.emit(events::WebSeedState{url, reason.empty(), banned, reason});
  }
  seed.said = true;
  if (!seed.banned) seed.problem = reason;
  seed.banned |= banned;
  engine_.on_web_fetched(fetch, outcome, retry_after, now());
  schedule_tick();
}

std::string SwarmNode::web_seed_problem() const {
  for (const WebSeed& seed : web_seeds_)
    if (!seed.problem.empty())
      return fmt::format("web seed {}: {}", shown_web_seed(seed.url), seed.problem);
  return {};
}

}  // namespace murder::node
