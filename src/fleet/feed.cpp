#include "fleet/feed.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

constexpr std::uint64_t first_window = 256u << 10;
constexpr std::uint64_t least_window = 64u << 10;
constexpr std::uint64_t most_window = 16u << 20;
/// What a piece may wait on its way: one that is acknowledged sooner lets the window grow, one that
/// waits longer than the other makes it shrink. The orders for the host wait as long, and where
/// its own link is the thin one so does everything that others ask it for.
constexpr Duration soon = std::chrono::milliseconds(250);
constexpr Duration late = std::chrono::milliseconds(600);
/// The swarm brings the rest; whether it does is asked so often.
constexpr Duration ask_again = std::chrono::milliseconds(500);
constexpr Duration patience = std::chrono::seconds(60);

Instant now() { return std::chrono::steady_clock::now(); }

/// The manifest's pieces first: with it the host unpacks each frame as it becomes whole.
std::vector<PieceIndex> in_order(const Metainfo& metainfo) {
  std::vector<PieceIndex> order;
  swarm::Bitfield queued(metainfo.piece_count());
  const auto add = [&](std::uint64_t piece) {
    const PieceIndex index(static_cast<std::uint32_t>(piece));
    if (queued.set(index)) order.push_back(index);
  };
  if (metainfo.release && metainfo.release->manifest) {
    const auto& where = *metainfo.release->manifest;
    for (std::uint64_t p = where.offset / metainfo.piece_length;
         p <= (where.offset + where.length - 1) / metainfo.piece_length; ++p)
      add(p);
  }
  for (std::uint32_t p = 0; p < metainfo.piece_count(); ++p) add(p);
  return order;
}

}  // namespace

std::optional<swarm::Bitfield> parse_have(const orders::Frame& frame, std::uint32_t pieces) {
  if (!frame.json.starts_with("{\"have\"")) return std::nullopt;
  return swarm::Bitfield::from_wire(
      std::string_view(reinterpret_cast<const char*>(frame.attachment.data()),
                       frame.attachment.size()),
      pieces);
}

Feed::Feed(Fleet& fleet, const Payload& payload, Member& member, const swarm::Bitfield& elsewhere)
    : fleet_(fleet),
      payload_(payload),
      member_(member),
      session_(member.session),
      elsewhere_(elsewhere),
      condition_(fleet.io()),
      window_bytes_(first_window) {}

void Feed::stop() {
  stopped_ = true;
  condition_.notify();
}

void Feed::heard(const orders::Frame& frame) {
  if (auto have = parse_have(frame, payload_.metainfo.piece_count())) {
    have_ = std::move(have);
  } else if (frame.json.find("\"fed\"") != std::string::npos) {
    const auto json = nlohmann::json::parse(frame.json, nullptr, false);
    if (!json.is_object() || !json.contains("fed") || !json["fed"].is_number_unsigned()) return;
    if (json.contains("error") && json["error"].is_string())
      problem_ = json["error"].get<std::string>();
    acknowledged(PieceIndex(json["fed"].get<std::uint32_t>()));
  }
  condition_.notify();
}

void Feed::acknowledged(PieceIndex piece) {
  const auto it = under_way_.find(piece);
  if (it == under_way_.end()) return;
  const Duration took = now() - it->second.sent_at;
  under_way_bytes_ -= it->second.bytes;
  since_change_bytes_ += it->second.bytes;
  member_.report.fed_bytes += it->second.bytes;
  under_way_.erase(it);
  if (since_change_bytes_ < window_bytes_) return;
  since_change_bytes_ = 0;
  const Duration waited = took - session_->round_trip();
  if (waited < soon)
    window_bytes_ = std::min(window_bytes_ * 2, most_window);
  else if (waited > late)
    window_bytes_ = std::max(window_bytes_ / 2, least_window);
}

bool Feed::may_send(std::uint32_t bytes) const {
  return under_way_.empty() || under_way_bytes_ + bytes <= window_bytes_;
}

void Feed::check() const {
  if (!problem_.empty())
    throw Error(ErrorKind::failed, fmt::format("a piece sent over ssh: {}", problem_));
  if (!session_->is_open()) throw Error(ErrorKind::unreachable, session_->loss());
}

asio::awaitable<swarm::Bitfield> Feed::ask_have() {
  check();
  have_.reset();
  session_->tell(R"({"order":"have"})");
  const bool answered = co_await condition_.wait(
      [this] { return have_ || stopped_ || !session_->is_open(); }, patience);
  check();
  if (!answered) throw Error(ErrorKind::unreachable, "the transfer there does not say what it has");
  co_return have_.value_or(swarm::Bitfield(payload_.metainfo.piece_count()));
}

asio::awaitable<void> Feed::send(PieceIndex piece) {
  const std::uint32_t size = payload_.metainfo.piece_size(piece);
  const bool room = co_await condition_.wait(
      [&] { return may_send(size) || stopped_ || !problem_.empty() || !session_->is_open(); },
      patience);
  check();
  if (stopped_) co_return;
  if (!room) throw Error(ErrorKind::unreachable, "the transfer there takes no more pieces");
  const std::vector<std::uint8_t> bytes = read(piece);
  under_way_[piece] = {size, now()};
  under_way_bytes_ += size;
  sent_bytes_ += size;
  const std::string order = fmt::format(R"({{"order":"pieces","piece":{}}})", piece.value());
  session_->tell(order, bytes);
}

/// Of a SOURCE that is carried as it is, somebody may have written something else there meanwhile.
std::vector<std::uint8_t> Feed::read(PieceIndex piece) const {
  const Metainfo& metainfo = payload_.metainfo;
  std::vector<std::uint8_t> bytes(metainfo.piece_size(piece));
  const bool there =
      read_exactly_at(payload_.fd, bytes, metainfo.piece_offset(piece), payload_.path);
  const bool same = there && (metainfo.piece_sha256.empty() ||
                              sha256(bytes) == metainfo.piece_sha256[piece.value()]);
  if (!same) throw PayloadChanged(ErrorKind::failed, describe_change(payload_));
  return bytes;
}

asio::awaitable<void> Feed::run() {
  const std::vector<PieceIndex> order = in_order(payload_.metainfo);
  while (!stopped_) {
    const swarm::Bitfield have = co_await ask_have();
    if (stopped_ || have.all()) co_return;
    bool sent = false;
    for (const PieceIndex piece : order) {
      if (stopped_) co_return;
      if (have.test(piece) || elsewhere_.test(piece)) continue;
      co_await send(piece);
      sent = true;
    }
    co_await condition_.wait(
        [this] {
          return under_way_.empty() || stopped_ || !problem_.empty() || !session_->is_open();
        },
        patience);
    check();
    if (!sent) co_await sleep_for(fleet_.io(), ask_again);
  }
}

}  // namespace murder::fleet
