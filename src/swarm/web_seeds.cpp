#include "swarm/web_seeds.hpp"

#include <algorithm>
#include <chrono>
#include <string>

namespace murder::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint32_t group_bytes = 256 * 1024;
/// So many requests of one host are under way; more than one only when it has no peers.
constexpr std::size_t most_alone = 2;
/// So many hosts of a fleet ask at first.
constexpr std::uint32_t askers = 64;

constexpr Duration patience_at_first = seconds(1);
constexpr Duration patience_later = milliseconds(50);
/// Somebody has everything, or may be about to turn up.
constexpr Duration patience_with_a_seed = seconds(10);
/// Who is further behind in a piece's order asks so much later, at most.
constexpr Duration spread = milliseconds(100);

constexpr double first_level = 0.5;
constexpr double level_factor = 1.5;
constexpr Duration level_step = seconds(1);

constexpr Duration busy_wait = seconds(1);
constexpr Duration longest_busy_wait = seconds(60);
constexpr Duration refused_wait = seconds(15);
constexpr Duration longest_refused_wait = std::chrono::minutes(10);
constexpr Duration longest_retry_after = std::chrono::hours(1);

constexpr Duration look_every = milliseconds(25);

/// Even in [0, 1), the same for the same text.
double place_of(const std::string& text) {
  const Sha1Digest digest = sha1(text);
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 6; ++i) bits = bits << 8 | digest.bytes[i];
  return static_cast<double>(bits) / static_cast<double>(std::uint64_t{1} << 48);
}

}  // namespace

WebSeeds::WebSeeds(std::size_t sources, const Geometry& geometry, const PeerId& self, bool single,
                   Random random)
    : geometry_(geometry), random_(random), sources_(sources), level_(first_level) {
  if (!single) group_pieces_ = std::max(1u, group_bytes / geometry.piece_length);
  const std::string name(self.view());
  place_of_self_ = place_of(name);
  const std::uint32_t count = (geometry.piece_count() + group_pieces_ - 1) / group_pieces_;
  groups_.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i)
    groups_.push_back({i, place_of(name + std::to_string(i))});
  std::sort(groups_.begin(), groups_.end(), [](const Group& a, const Group& b) {
    return a.place != b.place ? a.place < b.place : a.number < b.number;
  });
}

bool WebSeeds::is_wanted(PieceIndex piece, const Picker& picker) const {
  if (picker.have().test(piece) || picker.availability(piece) > 0) return false;
  const auto in_hand = picker.all_in_hand().find(piece);
  if (in_hand != picker.all_in_hand().end() && (in_hand->second.owner || in_hand->second.verifying))
    return false;
  return std::none_of(under_way_.begin(), under_way_.end(), [&](const WebFetch& fetch) {
    return piece.value() - fetch.first.value() < fetch.count;
  });
}

/// The first run of wanted pieces of a group.
std::optional<WebFetch> WebSeeds::wanted_of(std::uint32_t group, const Picker& picker) const {
  const std::uint32_t end = std::min((group + 1) * group_pieces_, geometry_.piece_count());
  WebFetch fetch;
  for (std::uint32_t p = group * group_pieces_; p < end; ++p) {
    if (is_wanted(PieceIndex(p), picker)) {
      if (fetch.count++ == 0) fetch.first = PieceIndex(p);
    } else if (fetch.count > 0) {
      break;
    }
  }
  return fetch.count > 0 ? std::optional(fetch) : std::nullopt;
}

/// How many hosts are before us, about.
double WebSeeds::order_of(const Group& group, std::uint32_t hosts) const {
  if (hosts <= askers) return group.place * hosts;
  return place_of_self_ * hosts < askers ? group.place * askers : askers + group.place * hosts;
}

std::optional<std::size_t> WebSeeds::free_source(Instant now) const {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const Source& source = sources_[i];
    if (source.given_up || source.due > now) continue;
    // One that failed last is not asked by two requests at once.
    if (source.under_way && source.failures > 0) continue;
    if (!best || source.failures < sources_[*best].failures) best = i;
  }
  return best;
}

void WebSeeds::raise_level(Instant now) {
  if (now - std::max(level_since_, last_busy_) < level_step) return;
  level_since_ = now;
  level_ *= level_factor;
}

std::optional<WebFetch> WebSeeds::take_due(const Situation& situation, const Picker& picker,
                                           Instant now) {
  if (under_way_.size() >= (situation.alone ? most_alone : 1)) return std::nullopt;
  const Duration patience = situation.somebody_may_help ? patience_with_a_seed
                            : fed_by_web_               ? patience_later
                                                        : patience_at_first;
  const Duration waited = now - last_busy_ - patience;
  const auto source = free_source(now);
  if (waited < Duration::zero() || !source) return std::nullopt;
  // The level is for the whole run: an order that has been gone through once is not begun anew.
  const double level = situation.alone ? 1 : level_;
  for (const Group& group : groups_) {
    const double order = situation.alone ? 0 : order_of(group, situation.waiting_hosts);
    if (order >= level) break;
    auto fetch = wanted_of(group.number, picker);
    if (!fetch) continue;
    if (waited < from_seconds(order / level * to_seconds(spread))) return std::nullopt;
    fetch->source = *source;
    sources_[*source].under_way = true;
    under_way_.push_back(*fetch);
    level_since_ = now;
    return fetch;
  }
  raise_level(now);
  return std::nullopt;
}

void WebSeeds::ended(const WebFetch& fetch, WebOutcome outcome, Duration retry_after, Instant now) {
  std::erase(under_way_, fetch);
  Source& source = sources_[fetch.source];
  source.under_way = std::any_of(under_way_.begin(), under_way_.end(), [&](const WebFetch& other) {
    return other.source == fetch.source;
  });
  level_since_ = now;
  if (outcome == WebOutcome::came) {
    source.failures = 0;
    fed_by_web_ = true;
    return;
  }
  if (outcome == WebOutcome::wrong) {
    source.given_up = true;
    return;
  }
  const bool refused = outcome == WebOutcome::refused;
  const auto doublings = std::min(source.failures++, 10u);
  const Duration wait = std::min((refused ? refused_wait : busy_wait) * (1 << doublings),
                                 refused ? longest_refused_wait : longest_busy_wait);
  // Never sooner than the server said, and not all of a fleet at once.
  const Duration asked = std::min(retry_after, longest_retry_after);
  const double jitter = random_.unit();
  source.due = now + std::max(from_seconds(to_seconds(wait) * (0.5 + jitter)),
                              asked + from_seconds(to_seconds(asked) * 0.5 * jitter));
}

std::optional<Instant> WebSeeds::next_due(Instant now) const {
  std::optional<Instant> next;
  for (const Source& source : sources_) {
    if (source.given_up) continue;
    const Instant due = std::max(source.due, now + look_every);
    if (!next || due < *next) next = due;
  }
  return next;
}

bool WebSeeds::all_given_up() const {
  return std::all_of(sources_.begin(), sources_.end(),
                     [](const Source& source) { return source.given_up; });
}

}  // namespace murder::swarm
