#include "fleet/staging.hpp"

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
/// What is at the target of a copy may have to be read to its end.
constexpr Duration patience_with_compare = std::chrono::hours(6);
/// It is answered when the release is staged; the transfer itself gives up without progress.
constexpr Duration patience_with_staging = std::chrono::hours(24 * 7);
/// For what is fed to see that nothing is left to do.
constexpr Duration patience_with_feeds = std::chrono::seconds(5);

}  // namespace

Staging::Staging(Fleet& fleet, Origin& origin, const StagingOptions& options)
    : fleet_(fleet), origin_(origin), options_(options) {
  origin_.set_on_closed([this](Member& member) { cut_off(member); });
}

void Staging::set_payload(const Payload& payload) {
  payload_ = payload;
  in_swarm_ = swarm::Bitfield(payload.metainfo.piece_count());
  nothing_ = in_swarm_;
  fleet_.report().tag = payload.metainfo.tag();
  origin_.set_payload(payload);
  fleet_.changed().notify();
}

void Staging::give_up(std::exception_ptr why) {
  failure_ = std::move(why);
  fleet_.interrupt();
}

asio::awaitable<void> Staging::run() {
  asio::co_spawn(fleet_.io(), watch_hosts(), asio::detached);
  asio::co_spawn(fleet_.io(), watch_origin(), asio::detached);
  co_await fleet_.on_each(fleet_.all(), Phase::reach,
                          [this](Member& member) { return stage(member); });
  done_ = true;
  for (const auto& [member, feed] : feeds_) feed->stop();
  fleet_.changed().notify();
  co_await fleet_.changed().wait([this] { return feeds_.empty(); }, patience_with_feeds);
  if (failure_) std::rethrow_exception(failure_);
}

// --- one host ------------------------------------------------------------------------------------

asio::awaitable<void> Staging::stage(Member& member) {
  co_await fleet_.connect(member);
  co_await origin_.bootstrapped(member);
  co_await fleet_.changed().wait(
      [&] { return payload_ || failure_ || fleet_.interrupted() || member.given_up; });
  if (!payload_ || failure_) co_return;
  std::exception_ptr failure;
  try {
    co_await look(member);
    if (!member.view.staged && !member.view.in_place) co_await fetch(member);
    member.report.staged_s = fleet_.seconds();
    if (!member.report.complete_s) member.report.complete_s = member.report.staged_s;
    const bool is_live = member.view.staged && member.view.live == payload_->metainfo.tag() &&
                         !member.view.unfinished;
    fleet_.change(member,
                  is_live || member.view.in_place ? HostState::unchanged : HostState::staged);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) fleet_.fail(member, Phase::stage, failure);
}

asio::awaitable<void> Staging::look(Member& member) {
  orders::Look look;
  look.dest = member.dest;
  look.tag = payload_->metainfo.tag();
  look.info_hash = payload_->metainfo.info_hash.hex();
  if (payload_->placement) {
    look.placement = *payload_->placement;
    look.placement.target = member.target;
  }
  const Duration patience = payload_->placement ? patience_with_compare : patience_with_look;
  member.view = co_await fleet_.order(member, std::move(look), patience);
  if (!member.view.in_the_way.empty()) throw Error(ErrorKind::usage, member.view.in_the_way);
  member.report.live_tag = member.report.previous_tag = member.view.live;
  if (!member.view.place.empty()) {
    const auto [same, is_new] = places_.emplace(member.view.place, &member);
    if (!is_new && same->second != &member)
      throw Error(ErrorKind::usage,
                  fmt::format("{} there is the folder of {}, which is the same machine: name each "
                              "machine once",
                              member.dest, same->second->host.name));
  }
  if (member.view.other_bytes)
    throw Error(ErrorKind::usage,
                fmt::format("{} is there already, with other bytes: give the new release another "
                            "tag",
                            payload_->metainfo.tag()));
}

orders::Stage Staging::stage_order(const Member& member) const {
  orders::Stage order;
  order.dest = member.dest;
  order.tag = payload_->metainfo.tag();
  order.info_hash = payload_->metainfo.info_hash.hex();
  order.trackers = origin_.announce_urls();
  order.host = member.host.name;
  if (member.host.labels.contains("addr")) order.address = member.host.labels.at("addr");
  order.seeder = origin_.host() == &member;
  order.ports = fleet_.ports();
  order.owner = options_.owner;
  order.up = options_.up;
  order.down = options_.down;
  order.timeout_s = static_cast<std::uint32_t>(to_seconds(options_.timeout));
  return order;
}

asio::awaitable<void> Staging::fetch(Member& member) {
  fleet_.change(member, HostState::staging);
  member.on_transfer = [this, &member](const orders::Frame& frame) { heard(member, frame); };
  member.on_loss = [this, &member] { stop_feed(member); };
  bool by_url = true;
  for (;;) {
    if (by_url) by_url = co_await origin_.torrent_ready(member);
    if (fleet_.interrupted()) throw Error(ErrorKind::interrupted, "interrupted");
    orders::Stage order = stage_order(member);
    told_tracker_[&member] = origin_.announce_url();
    std::span<const std::uint8_t> torrent;
    if (by_url)
      order.torrent_url = origin_.torrent_url();
    else
      torrent = {reinterpret_cast<const std::uint8_t*>(payload_->torrent.data()),
                 payload_->torrent.size()};
    member.transfer.running = false;
    try {
      const orders::Staged staged =
          co_await fleet_.order(member, std::move(order), patience_with_staging, torrent);
      if (staged.fetched_bytes > 0) member.report.fetched_bytes = staged.fetched_bytes;
      if (staged.resumed_bytes > 0) member.report.resumed_bytes = staged.resumed_bytes;
      member.transfer.complete = true;
      co_return;
    } catch (const Error& error) {
      // The origin's files may be out of reach: then the torrent comes with the order.
      const bool may_help = error.kind() == ErrorKind::unreachable && by_url &&
                            !member.transfer.running && member.is_connected();
      if (!may_help || fleet_.interrupted()) throw;
    }
    by_url = false;
  }
}

/// The origin, on which it is staged already: the pack that is kept there is what others need.
asio::awaitable<void> Staging::serve(Member& member) {
  member.on_transfer = [this, &member](const orders::Frame& frame) { heard(member, frame); };
  member.on_loss = [this, &member] { stop_feed(member); };
  orders::Stage order = stage_order(member);
  order.seeder = true;
  told_tracker_[&member] = origin_.announce_url();
  const std::span<const std::uint8_t> torrent(
      reinterpret_cast<const std::uint8_t*>(payload_->torrent.data()), payload_->torrent.size());
  try {
    co_await fleet_.order(member, std::move(order), patience_with_staging, torrent);
  } catch (const Error& error) {
    if (origin_.host() == &member) serving_problem_ = error.what();
  }
}

void Staging::heard(Member& member, const orders::Frame& frame) {
  const auto feed = feeds_.find(&member);
  if (feed != feeds_.end()) feed->second->heard(frame);
  if (const auto have = parse_have(frame, payload_->metainfo.piece_count())) {
    asked_.erase(&member);
    if (feed == feeds_.end() && !cut_off_.contains(&member))
      have->for_each_not_in(in_swarm_, [&](PieceIndex piece) { in_swarm_.set(piece); });
    return;
  }
  if (frame.json.find("\"event\":\"transfer\"") == std::string::npos) return;
  if (fleet_.interrupted() || member.given_up) {
    member.session->tell(R"({"order":"stop"})");
    return;
  }
  // It may have begun while the origin moved.
  tell_tracker(member);
  // A transfer was found or has begun: what it has need not be sent to the origin.
  if (is_fed(member))
    start_feed(member);
  else if (member.transfer.have_pieces > 0)
    member.session->tell(R"({"order":"have"})");
}

void Staging::tell_tracker(Member& member) {
  if (!origin_.is_ready() || told_tracker_[&member] == origin_.announce_url()) return;
  told_tracker_[&member] = origin_.announce_url();
  nlohmann::json order{{"order", "trackers"}};
  order["urls"] = nlohmann::json::array({origin_.announce_url()});
  member.session->tell(order.dump());
}

// --- pieces over ssh -----------------------------------------------------------------------------

/// Its pieces come over its session.
bool Staging::is_fed(const Member& member) const {
  return origin_.host() == &member || cut_off_.contains(&member);
}

void Staging::start_feed(Member& member) {
  if (over() || spoiled_) return;
  const bool alone = cut_off_.contains(&member) || origin_.swarm_is_closed();
  stop_feed(member);
  auto started = std::make_shared<Feed>(fleet_, *payload_, member, alone ? nothing_ : in_swarm_);
  feeds_[&member] = started;
  asio::co_spawn(fleet_.io(), feed(member, started), asio::detached);
}

void Staging::stop_feed(Member& member) {
  const auto feed = feeds_.find(&member);
  if (feed != feeds_.end()) feed->second->stop();
}

/// Until the host has all. With a lost session it ends; the order to stage opens another, and with
/// that the transfer's first words start another feed.
asio::awaitable<void> Staging::feed(Member& member, std::shared_ptr<Feed> feed) {
  std::string problem;
  std::string changed;
  try {
    co_await feed->run();
  } catch (const PayloadChanged& error) {
    changed = error.what();
  } catch (const Error& error) {
    problem = error.what();
  }
  const auto it = feeds_.find(&member);
  if (it != feeds_.end() && it->second == feed) {
    feeds_.erase(it);
    feed_ended_[&member] = std::chrono::steady_clock::now();
  }
  if (!changed.empty()) spoil(changed);
  if (!problem.empty() && !done_ && member.is_connected()) fleet_.note(member, problem);
  fleet_.changed().notify();
}

/// No host can get the rest of it. Who has all of it has what was meant to be deployed, and yet
/// nothing is switched: something is wrong with the source.
void Staging::spoil(const std::string& why) {
  if (std::exchange(spoiled_, true)) return;
  fleet_.report().problem = why;
  for (Member* member : fleet_.all()) {
    if (member->report.state == HostState::staged || member->report.state == HostState::unchanged)
      continue;
    if (member->is_connected()) member->session->tell(R"({"order":"stop"})");
    fleet_.give_up_on(*member, Error(ErrorKind::failed, why));
  }
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
