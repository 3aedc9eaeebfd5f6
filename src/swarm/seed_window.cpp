#include "swarm/seed_window.hpp"

#include <algorithm>
#include <utility>

namespace murder::swarm {
namespace {

/// A link whose turn has not come after so many rounds of a piece for each is stalled. Windows hold
/// three pieces, of which a peer with many links asks for one at a time, and who is behind goes
/// first.
constexpr std::uint64_t patient_rounds = 4;

}  // namespace

SeedWindow::SeedWindow(const Geometry& geometry, const std::vector<PieceIndex>& first,
                       const Bitfield& have)
    : geometry_(geometry),
      first_(geometry.piece_count()),
      here_(have),
      out_(geometry.piece_count()) {
  for (const PieceIndex piece : first)
    if (first_.set(piece) && here_.test(piece)) waiting_.push_back(piece);
  here_.for_each_not_in(first_, [&](PieceIndex piece) { waiting_.push_back(piece); });
}

void SeedWindow::add(PieceIndex piece, bool lost) {
  here_.set(piece);
  if (open()) return;
  if (lost) out_.reset(piece);
  if (out_.test(piece)) return;
  while (!waiting_.empty() && out_.test(waiting_.front())) waiting_.pop_front();
  if (first_.test(piece))
    waiting_.push_front(piece);
  else
    waiting_.push_back(piece);
}

SeedWindow::Window& SeedWindow::window_of(LinkId link) {
  Window& window = windows_[link];
  if (window.got.size() == 0) window.got = Bitfield(geometry_.piece_count());
  return window;
}

std::uint64_t SeedWindow::pending_bytes(const Window& window) const {
  std::uint64_t pending = 0;
  for (const Shown& s : window.shown) pending += geometry_.piece_size(s.piece) - s.bytes_sent;
  return pending;
}

std::optional<LinkId> SeedWindow::neediest() const {
  if (waiting_.size() != 1) return std::nullopt;
  std::optional<LinkId> best;
  std::pair<std::uint64_t, std::uint64_t> best_need;
  for (const auto& [link, window] : windows_) {
    if (window.stalled) continue;
    const std::pair need{pending_bytes(window), window.shown_at};
    if (best && need >= best_need) continue;
    best = link;
    best_need = need;
  }
  return best;
}

bool SeedWindow::idle() const {
  return !here_.all() && std::all_of(waiting_.begin(), waiting_.end(), [&](PieceIndex p) {
    return out_.test(p);
  }) && std::all_of(windows_.begin(), windows_.end(), [](const auto& w) {
    return w.second.shown.empty();
  });
}

std::vector<PieceIndex> SeedWindow::extend(LinkId link, std::uint64_t window_bytes,
                                           const Bitfield& theirs, Instant now) {
  std::vector<PieceIndex> fresh;
  Window& window = window_of(link);
  if (window.stalled) return fresh;
  std::uint64_t pending = pending_bytes(window);
  while (pending < window_bytes && !waiting_.empty()) {
    const PieceIndex piece = waiting_.front();
    if (out_.test(piece)) {
      waiting_.pop_front();
      continue;
    }
    if (theirs.test(piece)) break;  // theirs are marked seen, so this does not happen; be safe
    waiting_.pop_front();
    std::uint32_t begun = 0;
    if (const auto loose = window.loose_bytes.extract(piece)) begun = loose.mapped();
    window.shown.push_back({piece, begun, now, bytes_sent_});
    window.shown_at = ++shows_;
    pending += geometry_.piece_size(piece) - begun;
    fresh.push_back(piece);
  }
  return fresh;
}

bool SeedWindow::mark_out(PieceIndex piece) {
  const bool was_open = open();
  out_.set(piece);
  for (auto& [link, window] : windows_)
    std::erase_if(window.shown, [&](const Shown& s) { return s.piece == piece; });
  return !was_open && open();
}

bool SeedWindow::sent(LinkId link, PieceIndex piece, std::uint32_t bytes, Instant now) {
  bytes_sent_ += bytes;
  last_sent_ = now;
  Window& window = window_of(link);
  window.stalled = false;
  const auto s = std::find_if(window.shown.begin(), window.shown.end(),
                              [&](const Shown& candidate) { return candidate.piece == piece; });
  std::uint32_t& bytes_sent = s != window.shown.end() ? s->bytes_sent : window.loose_bytes[piece];
  bytes_sent += bytes;
  if (s != window.shown.end()) {
    s->moved = now;
    s->bytes_by_then = bytes_sent_;
  }
  if (bytes_sent < geometry_.piece_size(piece)) return false;
  window.loose_bytes.erase(piece);
  window.got.set(piece);
  return mark_out(piece);
}

bool SeedWindow::seen(PieceIndex piece) { return !out_.test(piece) && mark_out(piece); }

void SeedWindow::moved(LinkId link) {
  const auto it = windows_.find(link);
  if (it != windows_.end()) it->second.stalled = false;
}

void SeedWindow::remove(LinkId link, const Bitfield& elsewhere) {
  const auto it = windows_.find(link);
  if (it == windows_.end()) return;
  const std::vector<Shown> shown = std::move(it->second.shown);
  windows_.erase(it);
  if (open()) return;
  for (auto s = shown.rbegin(); s != shown.rend(); ++s) waiting_.push_front(s->piece);
  std::vector<PieceIndex> lost;
  out_.for_each_not_in(elsewhere, [&](PieceIndex piece) {
    if (here_.test(piece) && std::none_of(windows_.begin(), windows_.end(),
                                          [&](const auto& w) { return w.second.got.test(piece); }))
      lost.push_back(piece);
  });
  if (lost.empty()) return;
  std::erase_if(waiting_, [&](PieceIndex piece) { return out_.test(piece); });
  for (const PieceIndex piece : lost) out_.reset(piece);
  std::stable_partition(lost.begin(), lost.end(),
                        [&](PieceIndex piece) { return first_.test(piece); });
  waiting_.insert(waiting_.begin(), lost.begin(), lost.end());
}

bool SeedWindow::take_back(Instant now, Duration patience) {
  while (!waiting_.empty() && out_.test(waiting_.front())) waiting_.pop_front();
  if (waiting_.empty() && here_.all()) patience /= 10;
  const bool idle = now - last_sent_ >= patience;
  const std::uint64_t rounds = patient_rounds * windows_.size() * geometry_.piece_length;
  bool any = false;
  for (auto& [link, window] : windows_) {
    const std::size_t taken = std::erase_if(window.shown, [&, &window = window](const Shown& s) {
      if (now - s.moved < patience) return false;
      if (!idle && bytes_sent_ - s.bytes_by_then < rounds) return false;
      waiting_.push_back(s.piece);
      if (s.bytes_sent > 0) window.loose_bytes[s.piece] = s.bytes_sent;
      return true;
    });
    window.stalled |= taken > 0;
    any |= taken > 0;
  }
  return any;
}

}  // namespace murder::swarm
