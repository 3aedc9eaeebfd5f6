#include "fleet/staging.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <span>

#include "base/error.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

constexpr Duration patience_with_look = std::chrono::seconds(30);
/// It is answered when the release is staged; the transfer itself gives up without progress.
constexpr Duration patience_with_staging = std::chrono::hours(24 * 7);
/// A host without a link to any other after so long is fed over its session.
constexpr Duration cut_off_after = std::chrono::seconds(5);
constexpr Duration watch_every = std::chrono::milliseconds(200);
constexpr Duration tracker_silent_for = std::chrono::seconds(4);
constexpr Duration origin_silent_for = std::chrono::seconds(5);
constexpr Duration patience_with_answers = std::chrono::seconds(2);
constexpr int most_attempts = 3;

Instant now() { return std::chrono::steady_clock::now(); }

}  // namespace

Staging::Staging(Fleet& fleet, Origin& origin, const StagingOptions& options)
    : fleet_(fleet), origin_(origin), options_(options) {}

void Staging::set_payload(const Payload& payload) {
  payload_ = payload;
  in_swarm_ = swarm::Bitfield(payload.metainfo.piece_count());
  nothing_ = in_swarm_;
  fleet_.report().tag = payload.metainfo.tag();
  origin_.set_torrent(fmt::format("{}.torrent", payload.metainfo.info_hash.hex()), payload.torrent);
  fleet_.changed().notify();
}

void Staging::give_up(std::exception_ptr why) {
  failure_ = std::move(why);
  fleet_.changed().notify();
}

asio::awaitable<void> Staging::run() {
  asio::co_spawn(fleet_.io(), watch(), asio::detached);
  co_await fleet_.on_each(fleet_.all(), Phase::reach,
                          [this](Member& member) { return stage(member); });
  done_ = true;
  for (const auto& [member, feed] : feeds_) feed->stop();
  fleet_.changed().notify();
  co_await fleet_.changed().wait([this] { return feeds_.empty() && !replacing_; },
                                 std::chrono::seconds(5));
  if (failure_) std::rethrow_exception(failure_);
}

asio::awaitable<void> Staging::stage(Member& member) {
  co_await fleet_.connect(member);
  co_await fleet_.changed().wait([this] { return payload_ || failure_ || fleet_.interrupted(); });
  if (!payload_) co_return;
  std::exception_ptr failure;
  try {
    orders::Look look;
    look.dest = member.dest;
    look.tag = payload_->metainfo.tag();
    look.info_hash = payload_->metainfo.info_hash.hex();
    member.view = co_await fleet_.order(member, std::move(look), patience_with_look);
    member.report.live_tag = member.view.live;
    member.report.previous_tag = member.view.live;
    if (member.view.other_bytes)
      throw Error(ErrorKind::usage,
                  fmt::format("{} is there already, with other bytes: give the new release "
                              "another tag",
                              payload_->metainfo.tag()));
    if (!member.view.staged) co_await fetch(member);
    member.report.staged_s = fleet_.seconds();
    if (!member.report.complete_s) member.report.complete_s = member.report.staged_s;
    const bool is_live = member.view.staged && member.view.live == payload_->metainfo.tag() &&
                         !member.view.unfinished;
    fleet_.change(member, is_live ? HostState::unchanged : HostState::staged);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) fleet_.fail(member, Phase::stage, failure);
}

asio::awaitable<void> Staging::fetch(Member& member) {
  fleet_.change(member, HostState::staging);
  member.on_transfer = [this, &member](const orders::Frame& frame) { heard(member, frame); };
  member.on_loss = [this, &member] {
    const auto feed = feeds_.find(&member);
    if (feed != feeds_.end()) feed->second->stop();
  };
  for (int attempt = 1;; ++attempt) {
    co_await origin_.torrent_ready(member);
    if (fleet_.interrupted()) throw Error(ErrorKind::interrupted, "interrupted");
    orders::Stage order;
    order.dest = member.dest;
    order.tag = payload_->metainfo.tag();
    order.info_hash = payload_->metainfo.info_hash.hex();
    order.torrent_url = origin_.torrent_url();
    order.trackers = origin_.announce_urls();
    told_tracker_[&member] = origin_.announce_url();
    order.host = member.host.name;
    if (member.host.labels.contains("addr")) order.address = member.host.labels.at("addr");
    order.seeder = origin_.host() == &member;
    order.owner = options_.owner;
    order.up = options_.up;
    order.down = options_.down;
    order.timeout_s = static_cast<std::uint32_t>(to_seconds(options_.timeout));
    std::span<const std::uint8_t> torrent;
    // The origin's files may be out of reach: then the torrent comes with the order.
    if (attempt > 1 || order.seeder) {
      order.torrent_url.clear();
      torrent = {reinterpret_cast<const std::uint8_t*>(payload_->torrent.data()),
                 payload_->torrent.size()};
    }
    try {
      const orders::Staged staged =
          co_await fleet_.order(member, std::move(order), patience_with_staging, torrent);
      if (staged.fetched_bytes > 0) member.report.fetched_bytes = staged.fetched_bytes;
      if (staged.resumed_bytes > 0) member.report.resumed_bytes = staged.resumed_bytes;
      member.transfer.complete = true;
      co_return;
    } catch (const Error& error) {
      const bool may_help = error.kind() == ErrorKind::unreachable && member.is_connected();
      if (!may_help || attempt == most_attempts || fleet_.interrupted()) throw;
    }
  }
}

/// Pieces over ssh, until the host has all. With a lost session it ends; the order to stage opens
/// another, and with that the transfer's first words start another feed.
asio::awaitable<void> Staging::feed(Member& member, std::shared_ptr<Feed> feed) {
  std::string problem;
  try {
    co_await feed->run();
  } catch (const Error& error) {
    problem = error.what();
  }
  const auto it = feeds_.find(&member);
  if (it != feeds_.end() && it->second == feed) feeds_.erase(it);
  if (!problem.empty() && !done_ && member.is_connected()) fleet_.note(member, problem);
  fleet_.changed().notify();
}

void Staging::start_feed(Member& member, bool is_origin) {
  if (done_) return;
  std::shared_ptr<Feed>& feed_of_member = feeds_[&member];
  if (feed_of_member) feed_of_member->stop();
  feed_of_member =
      std::make_shared<Feed>(fleet_, *payload_, member, is_origin ? in_swarm_ : nothing_);
  asio::co_spawn(fleet_.io(), feed(member, feed_of_member), asio::detached);
}

void Staging::heard(Member& member, const orders::Frame& frame) {
  const auto feed = feeds_.find(&member);
  if (feed != feeds_.end()) feed->second->heard(frame);
  if (const auto have = parse_have(frame, payload_->metainfo.piece_count())) {
    asked_.erase(&member);
    if (feed == feeds_.end())
      have->for_each_not_in(in_swarm_, [&](PieceIndex piece) { in_swarm_.set(piece); });
    return;
  }
  if (frame.json.find("\"event\":\"transfer\"") == std::string::npos) return;
  if (fleet_.interrupted()) {
    member.session->tell(R"({"order":"stop"})");
    return;
  }
  // It may have begun while the origin moved.
  tell_tracker(member);
  // A transfer was found or has begun: what it has need not be sent to the origin.
  if (origin_.host() == &member)
    start_feed(member, true);
  else if (member.transfer.have_pieces > 0)
    member.session->tell(R"({"order":"have"})");
}

bool Staging::over() const { return done_ || fleet_.interrupted(); }

bool Staging::is_cut_off(const Member& member, Instant t) const {
  const TransferState& transfer = member.transfer;
  return member.report.state == HostState::staging && member.is_connected() && transfer.running &&
         !transfer.complete && transfer.links == 0 && t - transfer.linked_at > cut_off_after;
}

/// Looks after what no host says by itself: an origin that is gone, hosts that are cut off.
asio::awaitable<void> Staging::watch() {
  tracker_heard_ = origin_heard_ = now();
  while (!over()) {
    co_await sleep_for(fleet_.io(), watch_every);
    if (over() || !payload_) continue;
    const Instant t = now();
    co_await look_after_origin(t);
    if (!options_.fallback || over()) continue;
    for (Member* member : fleet_.connected()) {
      if (member == origin_.host() || !is_cut_off(*member, t) || feeds_.contains(member)) continue;
      fleet_.note(*member,
                  fmt::format("fed over ssh: no other host can be reached on the swarm's ports "
                              "after {}",
                              format_duration(cut_off_after)));
      start_feed(*member, false);
    }
  }
}

asio::awaitable<void> Staging::look_after_origin(Instant t) {
  if (!origin_.was_ready()) {
    origin_heard_ = tracker_heard_ = t;
    co_return;
  }
  Member* const origin = origin_.host();
  if (origin != nullptr && origin->is_connected()) origin_heard_ = t;
  bool any_ok = false;
  bool any_silent = false;
  for (const Member* member : fleet_.connected()) {
    if (!member->transfer.running) continue;
    (member->transfer.tracker_ok ? any_ok : any_silent) = true;
  }
  if (any_ok || !any_silent) tracker_heard_ = t;
  std::string lost;
  if (origin == nullptr || origin->failed()) {
    lost = origin == nullptr ? "it failed" : origin->report.reason;
  } else if (t - origin_heard_ > origin_silent_for) {
    lost = "its session was lost";
  } else if (t - tracker_heard_ > tracker_silent_for && origin->is_connected()) {
    // The tracker alone may have died: its host starts it again, unless it is silent too.
    try {
      co_await origin_.restart_tracker();
    } catch (const Error& error) {
      lost = error.what();
    }
  }
  if (lost.empty() && t - tracker_heard_ <= tracker_silent_for) co_return;
  replacing_ = true;
  if (!lost.empty()) co_await origin_.replace(lost);
  if (origin_.is_ready()) co_await moved();
  replacing_ = false;
  tracker_heard_ = origin_heard_ = now();
}

/// The origin is another host now, or its tracker another: all are told, and what nobody has any
/// more is sent again.
asio::awaitable<void> Staging::moved() {
  in_swarm_ = nothing_;
  asked_.clear();
  Member* const origin = origin_.host();
  for (Member* member : fleet_.connected()) {
    if (!member->transfer.running) continue;
    tell_tracker(*member);
    if (member == origin || feeds_.contains(member)) continue;
    asked_.insert(member);
    member->session->tell(R"({"order":"have"})");
  }
  co_await fleet_.changed().wait([this] { return asked_.empty() || over(); },
                                 patience_with_answers);
  if (origin->transfer.running && !origin->transfer.complete) start_feed(*origin, true);
}

void Staging::tell_tracker(Member& member) {
  if (!origin_.is_ready() || told_tracker_[&member] == origin_.announce_url()) return;
  told_tracker_[&member] = origin_.announce_url();
  nlohmann::json order{{"order", "trackers"}};
  order["urls"] = nlohmann::json::array({origin_.announce_url()});
  member.session->tell(order.dump());
}

void Staging::stop_transfers() {
  for (Member* member : fleet_.connected())
    if (member->transfer.running) member->session->tell(R"({"order":"stop"})");
}

void Staging::finish_transfers() {
  for (Member* member : fleet_.connected())
    if (member->transfer.running) member->session->tell(R"({"order":"finish"})");
}

}  // namespace murder::fleet
