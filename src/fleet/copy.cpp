#include "fleet/copy.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <fmt/format.h>

#include "base/error.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

/// What is at the target may have to be read to its end, and a large tree removed.
constexpr Duration patience_with_target = std::chrono::hours(6);

}  // namespace

std::string staging_folder_of(const std::string& target) {
  const std::filesystem::path path = target;
  return (path.parent_path() / fmt::format(".{}.murder-copy", path.filename().native())).native();
}

Copy::Copy(Fleet& fleet, const CopyOptions& options)
    : fleet_(fleet),
      options_(options),
      origin_(fleet, binaries_, options.origin),
      staging_(fleet, origin_, options.staging) {
  fleet_.set_supplier([this](Member& member, NeedsBinary need, std::string why) {
    return origin_.supply(member, std::move(need), std::move(why));
  });
  for (Member* member : fleet_.all()) {
    member->target = options.target;
    member->dest = staging_folder_of(options.target);
  }
}

asio::awaitable<void> Copy::run() {
  co_await origin_.prepare();
  asio::co_spawn(fleet_.io(), pack(), asio::detached);
  if (options_.dry_run) {
    co_await fleet_.changed().wait([this] { return payload_ || staging_.gave_up(); });
    if (!payload_) staging_.throw_failure();
    co_await fleet_.on_each(fleet_.all(), Phase::reach,
                            [this](Member& member) { return look_at(member); });
    co_return;
  }
  co_await staging_.run();
  staging_.finish_transfers();
  if (fleet_.interrupted() || staging_.spoiled()) co_return;
  std::vector<Member*> staged;
  for (Member* member : fleet_.all())
    if (member->report.state == HostState::staged) staged.push_back(member);
  co_await fleet_.on_each(std::move(staged), Phase::place,
                          [this](Member& member) { return place(member); });
}

asio::awaitable<void> Copy::pack() {
  try {
    const CopySource source = co_await asio::co_spawn(
        packer_, [this]() -> asio::awaitable<CopySource> { co_return options_.pack(); },
        asio::use_awaitable);
    payload_ = open_payload(source.packed, payload_fd_);
    payload_->placement = source.placement;
    for (const std::string& warning : source.warnings) fleet_.note(warning);
    staging_.set_payload(*payload_);
  } catch (...) {
    staging_.give_up(std::current_exception());
  }
}

/// --dry-run: what would become of the target; nothing changes there.
asio::awaitable<void> Copy::look_at(Member& member) {
  co_await fleet_.connect(member);
  orders::Look look;
  look.dest = member.dest;
  look.placement = *payload_->placement;
  look.placement.target = member.target;
  const orders::View view = co_await fleet_.order(member, std::move(look), patience_with_target);
  if (!view.in_the_way.empty()) throw Error(ErrorKind::usage, view.in_the_way);
  fleet_.note(member, view.in_place ? std::string("in place already: nothing to do")
                                    : fmt::format("would be put at {}", member.target));
}

asio::awaitable<void> Copy::place(Member& member) {
  orders::Place order;
  order.dest = member.dest;
  order.tag = payload_->metainfo.tag();
  order.placement = *payload_->placement;
  order.placement.target = member.target;
  const orders::Placed placed =
      co_await fleet_.order(member, std::move(order), patience_with_target);
  if (!placed.left.empty()) fleet_.note(member, placed.left);
  member.report.activated_s = fleet_.seconds();
  fleet_.change(member, HostState::placed);
}

}  // namespace murder::fleet
