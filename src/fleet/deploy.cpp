#include "fleet/deploy.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "base/error.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

constexpr Duration patience_with_look = std::chrono::seconds(30);

std::string what_would_happen(const orders::View& view, const std::string& tag, bool stage_only) {
  const std::string live =
      view.live.empty() ? "nothing is live" : fmt::format("{} is live", view.live);
  if (view.live == tag && view.staged) return fmt::format("{} is live already: nothing to do", tag);
  if (view.staged)
    return fmt::format("{}; {} is staged already{}", live, tag,
                       stage_only ? ": nothing to do" : ": would be switched to it");
  return fmt::format("{}; would {} {}", live, stage_only ? "stage" : "stage and switch to", tag);
}

}  // namespace

Deploy::Deploy(Fleet& fleet, const DeployOptions& options)
    : fleet_(fleet),
      options_(options),
      origin_(fleet, binaries_, options.origin),
      staging_(fleet, origin_, options.staging) {
  fleet_.set_supplier([this](Member& member, NeedsBinary need, std::string why) {
    return origin_.supply(member, std::move(need), std::move(why));
  });
}

void Deploy::stop() {
  staging_.stop_transfers();
  if (activation_) activation_->stop();
}

asio::awaitable<void> Deploy::run() {
  co_await origin_.prepare();
  asio::co_spawn(fleet_.io(), pack(), asio::detached);
  if (options_.dry_run) {
    co_await fleet_.changed().wait([this] { return payload_ || staging_.gave_up(); });
    co_await look();
    co_return;
  }
  co_await staging_.run();
  staging_.finish_transfers();
  if (options_.stage_only || fleet_.interrupted() || staging_.spoiled()) co_return;
  ActivationOptions activation = options_.activation;
  activation.tag = payload_->metainfo.tag();
  activation_ = std::make_unique<Activation>(fleet_, activation);
  co_await activation_->run();
}

asio::awaitable<void> Deploy::pack() {
  try {
    const PackedRelease packed = co_await asio::co_spawn(
        packer_, [this]() -> asio::awaitable<PackedRelease> { co_return options_.pack(); },
        asio::use_awaitable);
    payload_ = open_payload(packed, payload_fd_);
    staging_.set_payload(*payload_);
  } catch (...) {
    staging_.give_up(std::current_exception());
  }
}

/// --dry-run: every host is reached and looked at; nothing changes there, but that murder itself
/// is put there.
asio::awaitable<void> Deploy::look() {
  if (!payload_) staging_.throw_failure();
  co_await fleet_.on_each(fleet_.all(), Phase::reach,
                          [this](Member& member) { return look_at(member); });
}

asio::awaitable<void> Deploy::look_at(Member& member) {
  co_await fleet_.connect(member);
  orders::Look look;
  look.dest = member.dest;
  look.tag = payload_->metainfo.tag();
  look.info_hash = payload_->metainfo.info_hash.hex();
  const orders::View view = co_await fleet_.order(member, std::move(look), patience_with_look);
  member.report.live_tag = member.report.previous_tag = view.live;
  if (view.other_bytes)
    throw Error(ErrorKind::usage, fmt::format("{} is there already, with other bytes: give the "
                                              "new release another tag",
                                              payload_->metainfo.tag()));
  fleet_.note(member, what_would_happen(view, payload_->metainfo.tag(), options_.stage_only));
}

}  // namespace murder::fleet
