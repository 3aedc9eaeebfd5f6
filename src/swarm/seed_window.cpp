#include "swarm/seed_window.hpp"

#include <algorithm>

namespace murder::swarm {
namespace {

/// A link whose turn has not come after so many rounds of a piece for each is stalled. Windows hold
/// three pieces, of which a peer with many links asks for one at a time, and who is behind goes
/// first.
constexpr std::uint64_t patient_rounds = 4;

}  // namespace

SeedWindow::SeedWindow(const Geometry& geometry, const std::vector<PieceIndex>& first)
    : geometry_(geometry), out_(geometry.piece_count()) {
  Bitfield queued(geometry.piece_count());
  for (const PieceIndex piece : first)
    if (queued.set(piece)) waiting_.push_back(piece);
  for (std::uint32_t i = 0; i < geometry.piece_count(); ++i)
    if (queued.set(PieceIndex(i))) waiting_.push_back(PieceIndex(i));
}

std::vector<PieceIndex> SeedWindow::extend(LinkId link, std::uint64_t window_bytes,
                                           const Bitfield& theirs, Instant now) {
  std::vector<PieceIndex> fresh;
  Window& window = windows_[link];
  if (window.stalled) return fresh;
  std::vector<Shown>& shown = window.shown;
  std::uint64_t pending = 0;
  for (const Shown& s : shown) pending += geometry_.piece_size(s.piece) - s.bytes_sent;
  while (pending < window_bytes && !waiting_.empty()) {
    const PieceIndex piece = waiting_.front();
    if (out_.test(piece)) {
      waiting_.pop_front();
      continue;
    }
    if (theirs.test(piece)) break;  // theirs are marked seen, so this does not happen; be safe
    waiting_.pop_front();
    shown.push_back({piece, 0, now, bytes_sent_});
    pending += geometry_.piece_size(piece);
    fresh.push_back(piece);
  }
  return fresh;
}

bool SeedWindow::mark_out(PieceIndex piece) {
  const bool was_open = open();
  out_.set(piece);
  return !was_open && open();
}

bool SeedWindow::sent(LinkId link, PieceIndex piece, std::uint32_t bytes, Instant now) {
  bytes_sent_ += bytes;
  last_sent_ = now;
  const auto it = windows_.find(link);
  if (it == windows_.end()) return false;
  it->second.stalled = false;
  auto& shown = it->second.shown;
  const auto s = std::find_if(shown.begin(), shown.end(),
                              [&](const Shown& candidate) { return candidate.piece == piece; });
  if (s == shown.end()) return false;
  s->bytes_sent += bytes;
  s->moved = now;
  s->bytes_by_then = bytes_sent_;
  if (s->bytes_sent < geometry_.piece_size(piece)) return false;
  shown.erase(s);
  return mark_out(piece);
}

bool SeedWindow::seen(PieceIndex piece) {
  if (out_.test(piece)) return false;
  for (auto& [link, window] : windows_)
    std::erase_if(window.shown, [&](const Shown& s) { return s.piece == piece; });
  return mark_out(piece);
}

void SeedWindow::moved(LinkId link) {
  const auto it = windows_.find(link);
  if (it != windows_.end()) it->second.stalled = false;
}

void SeedWindow::remove(LinkId link) {
  const auto it = windows_.find(link);
  if (it == windows_.end()) return;
  const auto& shown = it->second.shown;
  for (auto s = shown.rbegin(); s != shown.rend(); ++s) waiting_.push_front(s->piece);
  windows_.erase(it);
}

bool SeedWindow::take_back(Instant now, Duration patience) {
  while (!waiting_.empty() && out_.test(waiting_.front())) waiting_.pop_front();
  if (waiting_.empty()) patience /= 10;
  const bool idle = now - last_sent_ >= patience;
  const std::uint64_t rounds = patient_rounds * windows_.size() * geometry_.piece_length;
  bool any = false;
  for (auto& [link, window] : windows_) {
    const std::size_t taken = std::erase_if(window.shown, [&](const Shown& s) {
      if (now - s.moved < patience) return false;
      if (!idle && bytes_sent_ - s.bytes_by_then < rounds) return false;
      waiting_.push_back(s.piece);
      return true;
    });
    window.stalled |= taken > 0;
    any |= taken > 0;
  }
  return any;
}

}  // namespace murder::swarm
