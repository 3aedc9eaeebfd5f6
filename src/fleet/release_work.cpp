#include "fleet/release_work.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/units.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

constexpr Duration patience = std::chrono::seconds(30);
/// Every file is read.
constexpr Duration patience_with_verify = std::chrono::hours(6);
constexpr Duration patience_with_prune = std::chrono::minutes(10);

}  // namespace

OnReached::OnReached(Fleet& fleet) : fleet_(fleet), origin_(fleet, binaries_, {.outlives = false}) {
  fleet_.set_supplier([this](Member& member, NeedsBinary need, std::string why) {
    return origin_.supply(member, std::move(need), std::move(why));
  });
}

asio::awaitable<void> OnReached::reach_all(Phase phase,
                                           std::function<asio::awaitable<void>(Member&)> work) {
  co_await origin_.prepare();
  co_await fleet_.on_each(fleet_.all(), Phase::reach,
                          [&, this](Member& member) -> asio::awaitable<void> {
                            co_await fleet_.connect(member);
                            std::exception_ptr failure;
                            try {
                              co_await work(member);
                            } catch (...) {
                              failure = std::current_exception();
                            }
                            if (failure) fleet_.fail(member, phase, failure);
                          });
}

// --- activate ------------------------------------------------------------------------------------

ActivateWork::ActivateWork(Fleet& fleet, ActivationOptions options)
    : OnReached(fleet), options_(std::move(options)), activation_(fleet, options_) {}

asio::awaitable<void> ActivateWork::run() {
  co_await reach_all(Phase::activate, [this](Member& member) { return look(member); });
  if (fleet_.interrupted()) co_return;
  co_await activation_.run();
}

asio::awaitable<void> ActivateWork::look(Member& member) {
  orders::Look order;
  order.dest = member.dest;
  order.tag = options_.tag;
  const orders::View view = co_await fleet_.order(member, std::move(order), patience);
  member.report.live_tag = member.report.previous_tag = view.live;
  if (!view.staged)
    throw Error(ErrorKind::failed,
                fmt::format("{} is not staged there: murder deploy brings it", options_.tag));
  fleet_.change(member, view.live == options_.tag ? HostState::unchanged : HostState::staged);
}

// --- rollback ------------------------------------------------------------------------------------

RollbackWork::RollbackWork(Fleet& fleet, ActivationOptions options)
    : OnReached(fleet), options_(std::move(options)), activation_(fleet, options_) {}

asio::awaitable<void> RollbackWork::run() {
  co_await reach_all(Phase::rollback, [this](Member& member) { return look(member); });
  if (fleet_.interrupted()) co_return;
  std::vector<Member*> members;
  for (Member* member : fleet_.all())
    if (member->report.state == HostState::staged) members.push_back(member);
  co_await activation_.roll_back(std::move(members), options_.tag);
}

asio::awaitable<void> RollbackWork::look(Member& member) {
  orders::Look order;
  order.dest = member.dest;
  order.tag = options_.tag;
  const orders::View view = co_await fleet_.order(member, std::move(order), patience);
  member.report.live_tag = member.report.previous_tag = view.live;
  if (!options_.tag.empty() && view.live == options_.tag) {
    fleet_.change(member, HostState::unchanged);
    co_return;
  }
  if (!options_.tag.empty() && !view.staged)
    throw Error(ErrorKind::failed, fmt::format("{} is not there", options_.tag));
  if (options_.tag.empty() && view.previous.empty())
    throw Error(ErrorKind::failed,
                view.live.empty()
                    ? std::string("nothing is live there; name the release to go to with --tag")
                    : fmt::format("no release that was live before {} is left; name the one to go "
                                  "to with --tag",
                                  view.live));
  fleet_.change(member, HostState::staged);
}

// --- releases, verify, prune ---------------------------------------------------------------------

asio::awaitable<void> ReleasesWork::run() {
  return reach_all(Phase::reach, [this](Member& member) { return list(member); });
}

asio::awaitable<void> ReleasesWork::list(Member& member) {
  orders::ListReleases order;
  order.dest = member.dest;
  const orders::Releases releases = co_await fleet_.order(member, std::move(order), patience);
  for (const orders::ReleaseInfo& release : releases.releases)
    if (release.live) member.report.live_tag = release.tag;
  member.report.previous_tag = releases.previous;
  tell_(member, releases);
}

asio::awaitable<void> VerifyWork::run() {
  return reach_all(Phase::check, [this](Member& member) { return verify(member); });
}

asio::awaitable<void> VerifyWork::verify(Member& member) {
  orders::Verify order;
  order.dest = member.dest;
  order.tag = tag_;
  const orders::Verified verified =
      co_await fleet_.order(member, std::move(order), patience_with_verify);
  member.report.live_tag = verified.tag;
  tell_(member, verified);
  if (verified.drift_count > 0)
    throw Error(ErrorKind::integrity,
                fmt::format("{} differs from what was staged in {} place{}", verified.tag,
                            verified.drift_count, verified.drift_count == 1 ? "" : "s"));
}

asio::awaitable<void> PruneWork::run() {
  return reach_all(Phase::activate, [this](Member& member) { return prune(member); });
}

asio::awaitable<void> PruneWork::prune(Member& member) {
  orders::Prune order;
  order.dest = member.dest;
  order.keep = keep_;
  const orders::Pruned pruned =
      co_await fleet_.order(member, std::move(order), patience_with_prune);
  tell_(member, pruned);
}

}  // namespace murder::fleet
