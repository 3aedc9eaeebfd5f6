// The machine that murder runs on as the origin (--origin local): nothing goes over ssh but orders,
// and the hosts fetch from here. It is one like any other host, in that it has to be reached: who
// cannot be reached is replaced by a host.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>

#include "base/endpoint.hpp"
#include "base/error.hpp"
#include "fleet/origin.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

/// It is answered when the seeder ends.
constexpr Duration patience_with_seeder = std::chrono::hours(24 * 7);

}  // namespace

/// A host has said from where we come to it.
void Origin::learn_address(const std::string& client) {
  if (options_.here && options_.address.empty() && IpAddress::parse(client))
    options_.address = client;
}

/// False: it is not to be the origin, or cannot be.
bool Origin::choose_here() {
  if (!options_.here || unfit_.contains(&fleet_.here())) return false;
  if (options_.address.empty()) {
    options_.here = false;
    fleet_.note(
        "this machine cannot be the origin, for no host says at which address it sees us: another "
        "host is; --origin local:ADDRESS names the address");
    return false;
  }
  fleet_.here().report.address = options_.address;
  choose(&fleet_.here());
  asio::co_spawn(fleet_.io(), connect_here(), asio::detached);
  return true;
}

asio::awaitable<void> Origin::connect_here() {
  std::string problem;
  try {
    co_await fleet_.connect(fleet_.here());
  } catch (const std::exception& error) {
    problem = error.what();
  }
  if (problem.empty()) co_return;
  problem_ = problem;
  unfit_.insert(&fleet_.here());
  fleet_.note(fmt::format("this machine cannot be the origin: {}", problem));
  if (is_here()) choose(nullptr);
}

/// Once in each turn as the origin.
void Origin::seed_here() {
  if (!is_here() || seeded_turn_ == turn_) return;
  seeded_turn_ = turn_;
  asio::co_spawn(fleet_.io(), seed(turn_), asio::detached);
}

asio::awaitable<void> Origin::seed(std::uint64_t turn) {
  orders::Seed order;
  order.torrent = payload_->torrent_path;
  order.payload = payload_->path;
  order.trackers = {runs_.announce_url};
  order.host = fleet_.here().host.name;
  order.address = options_.address;
  order.up = options_.up;
  order.ports = fleet_.ports();
  std::string problem;
  try {
    co_await fleet_.here().session->order(std::move(order), patience_with_seeder);
    problem = "its seeder has ended";
  } catch (const Error& error) {
    problem = error.what();
  }
  if (turn != turn_) co_return;
  seeding_problem_ = problem;
  fleet_.changed().notify();
}

}  // namespace murder::fleet
