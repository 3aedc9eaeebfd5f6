#include "fleet/origin.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>
#include <span>

#include "base/error.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

constexpr Duration patience = std::chrono::seconds(30);
constexpr Duration patience_with_tracker = std::chrono::seconds(10);
/// Over the control machine's own uplink: a few at a time.
constexpr std::size_t pushes_at_once = 4;
/// A firewall that says nothing, or the way there.
constexpr std::uint32_t probe_ms = 2000;
constexpr Duration patience_with_probe = std::chrono::seconds(5);
/// So many are reached first, so that the release is on its way to one of them while the others
/// are.
constexpr std::size_t most_candidates = 2;
/// As many hosts that cannot reach the origin are believed; fewer when nobody else comes in time.
constexpr std::size_t enough_probes = 3;
constexpr Duration patience_with_probers = std::chrono::seconds(1);
/// Where only hosts are left that do not try it.
constexpr Duration patience_with_proof = std::chrono::seconds(4);
/// With as many origins that could not be reached there is no swarm to be had.
constexpr std::size_t most_closed = 3;
/// Of those that could not fetch the binary, so many get it at once over ssh, to find out whose
/// fault it is; the others wait for that.
constexpr std::size_t most_doubters = 2;
constexpr Duration patience_with_doubt = std::chrono::seconds(20);

/// "the swarm's ports (TCP 8998 to 9060)"
std::string swarm_ports(const Fleet& fleet) {
  return fmt::format("the swarm's ports ({})", fleet.swarm_ports());
}

/// "http://10.0.0.5:8998/announce": what can be connected to.
std::string endpoint_of(std::string_view url) {
  const std::size_t begin = url.find("//");
  if (begin != std::string_view::npos) url.remove_prefix(begin + 2);
  return std::string(url.substr(0, url.find('/')));
}

/// The address with it, for it is not the user's name for this machine.
std::string name_of(const Member& origin) {
  return origin.host.here ? fmt::format("{} ({})", origin.host.name, origin.report.address)
                          : origin.host.name;
}

}  // namespace

Origin::Origin(Fleet& fleet, HostBinaries& binaries, OriginOptions options)
    : fleet_(fleet),
      binaries_(binaries),
      options_(std::move(options)),
      condition_(fleet.io()),
      pushes_(fleet.io(), pushes_at_once) {
  // One that was chosen while it has not got murder yet is no better than any other.
  fleet_.set_on_setback([this](Member& member) {
    if (host_ == &member && !ready_ && options_.name.empty()) choose(nullptr);
  });
}

asio::awaitable<void> Origin::prepare() {
  std::vector<BootstrapBinary> binaries = co_await binaries_.all();
  fleet_.set_binaries(std::move(binaries));
  if (!options_.outlives || options_.here) co_return;
  std::vector<Member*> candidates;
  for (Member* member : fleet_.all())
    if (candidates.size() < most_candidates && may_be(*member)) candidates.push_back(member);
  fleet_.give_head_start(candidates);
}

bool Origin::may_be(const Member& member) const {
  return !member.failed() && !member.given_up && !unfit_.contains(&member) &&
         (options_.name.empty() || member.host.here || member.host.name == options_.name);
}

void Origin::choose(Member* member) {
  host_ = member;
  ++turn_;
  ready_ = proven_ = false;
  published_.clear();
  probed_.clear();
  unreached_.clear();
  probes_failed_ = doubters_ = 0;
  seeding_problem_.clear();
  if (member != nullptr) fleet_.report().origin = member->host.name;
  condition_.notify();
  fleet_.changed().notify();
}

// --- the binary ----------------------------------------------------------------------------------

asio::awaitable<Supply> Origin::supply(Member& member, NeedsBinary need, std::string failure) {
  const HostBinary binary = co_await binaries_.get(need.machine);
  Supply supply;
  supply.binary = binary.to_bootstrap();
  learn_address(need.client);
  if (host_ == nullptr && !choose_here() && may_be(member)) choose(&member);
  bool fetch = host_ != &member && !swarm_is_closed_;
  if (fetch && !failure.empty() && told_[&member] == turn_) {
    fetch = false;
    if (!proven_ && doubters_++ >= most_doubters) fetch = co_await find_another(member);
  }
  if (fetch) {
    // The origin has it first; it is asked for when it is there.
    try {
      co_await ready(member);
      co_await publish_binary(need.machine);
      told_[&member] = turn_;
      supply.url = fmt::format("{}{}", runs_.files_url, file_name(binary.to_bootstrap()) + ".gz");
      co_return supply;
    } catch (const Error&) {
      // No origin to be had: over the session, then, and it is the origin itself.
      if (host_ == nullptr && may_be(member)) choose(&member);
    }
  }
  co_return co_await push(member, std::move(supply), std::move(need), std::move(failure));
}

asio::awaitable<Supply> Origin::push(Member& member, Supply supply, NeedsBinary need,
                                     std::string failure) {
  if (!failure.empty())
    fleet_.note(member, fmt::format("the binary came over ssh: {}", printable(failure)));
  pushed_.insert(&member);
  const Gate::Place place = co_await pushes_.enter();
  supply.packing = need.unpacks_xz ? Packing::xz : Packing::gzip;
  supply.compressed = co_await binaries_.compressed(need.machine, supply.packing);
  co_return supply;
}

/// It could not fetch from the origin, and whether anybody can is not known: true when another host
/// is the origin soon.
asio::awaitable<bool> Origin::find_another(Member& member) {
  co_await condition_.wait([&] { return proven_ || swarm_is_closed_ || fleet_.interrupted(); },
                           patience_with_doubt);
  co_return ready_ && !swarm_is_closed_ && told_[&member] != turn_;
}

asio::awaitable<void> Origin::bootstrapped(Member& member) {
  if (!ready_) co_return;
  const auto told = told_.find(&member);
  if (pushed_.contains(&member)) {
    co_await prove(member);
  } else if (told != told_.end() && told->second == turn_) {
    proven_ = true;
    condition_.notify();
  }
}

/// Once, however many ask for it. Without content it is the origin's own binary. Not given again
/// when the session is lost: another host may be the origin soon.
asio::awaitable<void> Origin::publish(std::string file, const std::string* content) {
  const std::uint64_t turn = turn_;
  const std::string key = fmt::format("{}/{}", turn, file);
  while (turn == turn_ && !published_.contains(file)) {
    if (!publishing_.insert(key).second) {
      co_await condition_.wait([&] { return !publishing_.contains(key) || turn != turn_; },
                               patience);
      continue;
    }
    std::exception_ptr failure;
    try {
      orders::Publish order;
      order.deploy = fleet_.options().deploy;
      order.file = file;
      const std::span<const std::uint8_t> bytes(
          content == nullptr ? nullptr : reinterpret_cast<const std::uint8_t*>(content->data()),
          content == nullptr ? 0 : content->size());
      co_await host_->session->order(std::move(order), patience, bytes);
      if (turn == turn_) published_.insert(file);
    } catch (...) {
      failure = std::current_exception();
    }
    publishing_.erase(key);
    condition_.notify();
    if (failure) std::rethrow_exception(failure);
  }
  if (turn != turn_) throw Error(ErrorKind::unreachable, "the origin was lost");
}

asio::awaitable<void> Origin::publish_binary(const std::string& machine) {
  const HostBinary binary = co_await binaries_.get(machine);
  // Its own binary the origin has already; another machine's it gets from here.
  std::shared_ptr<const std::string> gzip;
  // This machine's own is not the static one.
  if (host_ != nullptr &&
      (is_here() || machine_name(host_->hello.machine) != machine_name(machine)))
    gzip = co_await binaries_.compressed(machine, Packing::gzip);
  if (host_ == nullptr) throw Error(ErrorKind::unreachable, "the origin was lost");
  co_await publish(file_name(binary.to_bootstrap()) + ".gz", gzip.get());
}

// --- the torrent ---------------------------------------------------------------------------------

void Origin::set_payload(const Payload& payload) {
  torrent_name_ = fmt::format("{}.torrent", payload.metainfo.info_hash.hex());
  payload_ = payload;
}

std::string Origin::torrent_url() const { return runs_.files_url + torrent_name_; }

asio::awaitable<bool> Origin::torrent_ready(Member& candidate) {
  while (!ready_ || !proven_) {
    co_await ready(candidate);
    if (swarm_is_closed_) co_return false;
    if (host_ == &candidate) {
      const bool other = co_await wait_for_proof();
      if (other) continue;
      publish_torrent();
      co_return false;
    } else {
      co_await prove(candidate);
    }
  }
  if (host_ == &candidate) publish_torrent();
  if (swarm_is_closed_ || host_ == &candidate || unreached_.contains(&candidate)) co_return false;
  try {
    co_await publish(torrent_name_, &payload_->torrent);
  } catch (const Error&) {
    co_return false;
  }
  seed_here();
  co_return true;
}

/// Before the pieces are on their way there, for the others would wait behind those for it.
void Origin::publish_torrent() {
  const auto publish_it = [this]() -> asio::awaitable<void> {
    co_await publish(torrent_name_, &payload_->torrent);
  };
  asio::co_spawn(fleet_.io(), publish_it, asio::detached);
}

/// The first origin begins at once. The next is not sent the release, which may take long, before
/// another host has reached it. True: it is not the origin any more.
asio::awaitable<bool> Origin::wait_for_proof() {
  const std::uint64_t turn = turn_;
  if (!out_of_reach_.empty())
    co_await condition_.wait(
        [&] { return proven_ || turn != turn_ || swarm_is_closed_ || fleet_.interrupted(); },
        patience_with_proof);
  co_return turn != turn_ && !swarm_is_closed_;
}

// --- whether others reach it ---------------------------------------------------------------------

/// Until it is known that others reach the origin, or another host takes its place. `member` tries
/// it, unless enough others do.
asio::awaitable<void> Origin::prove(Member& member) {
  const std::uint64_t turn = turn_;
  if (proven_ || host_ == &member) co_return;
  if (probes_under_way_ < enough_probes && probed_.insert(&member).second) {
    ++probes_under_way_;
    const bool reached = co_await probe(member);
    --probes_under_way_;
    if (turn == turn_) {
      proven_ |= reached;
      if (!reached) {
        ++probes_failed_;
        unreached_.insert(&member);
      }
    }
    condition_.notify();
  }
  while (turn == turn_ && ready_ && !proven_ && probes_failed_ < enough_probes) {
    if (fleet_.interrupted()) throw Error(ErrorKind::interrupted, "interrupted");
    const std::size_t failed = probes_failed_;
    const bool news = co_await condition_.wait(
        [&] { return turn != turn_ || !ready_ || proven_ || probes_failed_ != failed; },
        patience_with_probers);
    if (!news && probes_under_way_ == 0) break;
  }
  if (turn == turn_ && ready_ && !proven_) close();
}

asio::awaitable<bool> Origin::probe(Member& member) {
  orders::Probe order;
  order.endpoints = {endpoint_of(runs_.announce_url)};
  order.timeout_ms = probe_ms;
  try {
    const orders::Probed probed =
        co_await member.session->order(std::move(order), patience_with_probe);
    co_return !probed.results.empty() && probed.results.front().ok;
  } catch (const Error&) {
    co_return false;
  }
}

/// Nobody reaches the origin.
void Origin::close() {
  Member* const origin = host_;
  unfit_.insert(origin);
  out_of_reach_.insert(origin);
  options_.name.clear();
  const bool any_other = std::ranges::any_of(fleet_.connected(),
                                             [&](const Member* member) { return may_be(*member); });
  if (out_of_reach_.size() >= most_closed || !any_other) {
    swarm_is_closed_ = true;
    proven_ = true;  // as far as it can be
    fleet_.note(
        fmt::format("no host reaches another on {}: murder doctor shows where they are closed",
                    swarm_ports(fleet_)));
    condition_.notify();
    fleet_.changed().notify();
    return;
  }
  fleet_.note(fmt::format("no {}host reaches {} on {}: another one is the origin",
                          origin->host.here ? "" : "other ", name_of(*origin),
                          swarm_ports(fleet_)));
  choose(nullptr);
  if (on_closed_) on_closed_(*origin);
}

// --- who it is -----------------------------------------------------------------------------------

asio::awaitable<void> Origin::set_up(Member& member) {
  setting_up_ = true;
  std::exception_ptr failure;
  try {
    orders::Tracker tracker;
    tracker.deploy = fleet_.options().deploy;
    tracker.address = member.report.address;
    // The origin seeds and is not counted.
    tracker.expect =
        static_cast<std::uint32_t>(fleet_.members().size() - (member.host.here ? 0 : 1));
    tracker.idle_s = 120;
    tracker.ports = fleet_.ports();
    tracker.with_session = member.host.here || !options_.outlives;
    // No second session is tried: one that cannot answer now is no origin.
    orders::TrackerRuns runs =
        co_await member.session->order(std::move(tracker), patience_with_tracker);
    if (host_ != &member) throw Error(ErrorKind::unreachable, "another host is the origin");
    runs_ = std::move(runs);
    std::erase(announce_urls_, runs_.announce_url);
    announce_urls_.insert(announce_urls_.begin(), runs_.announce_url);
    ready_ = true;
  } catch (...) {
    failure = std::current_exception();
    unfit_.insert(&member);
    if (host_ == &member) choose(nullptr);
  }
  setting_up_ = false;
  condition_.notify();
  fleet_.changed().notify();
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> Origin::ready(Member& candidate) {
  learn_address(candidate.hello.client);
  while (!ready_) {
    if (fleet_.interrupted()) throw Error(ErrorKind::interrupted, "interrupted");
    if (host_ != nullptr && !may_be(*host_)) choose(nullptr);
    if (host_ == nullptr) look_for_host(candidate);
    if (host_ == nullptr)
      throw Error(ErrorKind::failed, fmt::format("no host can be the origin{}{}",
                                                 problem_.empty() ? "" : ": ", problem_));
    if (host_->is_connected() && !setting_up_) {
      try {
        co_await set_up(*host_);
      } catch (const Error& error) {
        problem_ = error.what();
      }
      continue;
    }
    const std::uint64_t turn = turn_;
    const bool news = co_await fleet_.changed().wait(
        [&] {
          return ready_ || fleet_.interrupted() || turn != turn_ || host_ == nullptr ||
                 !may_be(*host_) || (host_->is_connected() && !setting_up_);
        },
        fleet_.options().ssh.connect_timeout);
    // It may be dead, and ssh not know it yet. Who was named is waited for.
    if (!news && turn == turn_ && !host_->is_connected() && options_.name.empty()) choose(nullptr);
  }
}

/// The one that is wanted, also when it is still on its way; else one that is there.
void Origin::look_for_host(Member& candidate) {
  if (choose_here()) return;
  if (!options_.name.empty()) {
    const auto named =
        std::find_if(fleet_.members().begin(), fleet_.members().end(),
                     [&](const auto& member) { return member->host.name == options_.name; });
    if (named != fleet_.members().end() && may_be(**named)) {
      choose(named->get());
      return;
    }
    fleet_.note(fmt::format("{} cannot be the origin: another host is", options_.name));
    options_.name.clear();
  }
  if (candidate.is_connected() && may_be(candidate)) {
    choose(&candidate);
    return;
  }
  for (Member* member : fleet_.connected()) {
    if (!may_be(*member)) continue;
    choose(member);
    return;
  }
}

asio::awaitable<void> Origin::replace(std::string why, bool out_of_reach) {
  if (host_ != nullptr) {
    unfit_.insert(host_);
    if (out_of_reach) out_of_reach_.insert(host_);
    fleet_.note(
        fmt::format("another host takes the place of the origin, {}: {}", name_of(*host_), why));
    choose(nullptr);
  }
  options_.name.clear();
  co_await take_over();
  if (ready_) co_return;
  // Nobody else: one that was lost may be back.
  unfit_ = out_of_reach_;
  if (fleet_.has_here()) unfit_.insert(&fleet_.here());
  co_await take_over();
}

asio::awaitable<void> Origin::take_over() {
  std::vector<Member*> candidates = fleet_.connected();
  std::stable_sort(candidates.begin(), candidates.end(), [](const Member* a, const Member* b) {
    return (a->transfer.links > 0) > (b->transfer.links > 0);
  });
  for (Member* member : candidates) {
    if (!may_be(*member) || !member->transfer.running) continue;
    choose(member);
    try {
      co_await set_up(*member);
      // It is linked to others already, or is as good as any.
      proven_ = ready_;
      co_return;
    } catch (const Error&) {
      continue;
    }
  }
}

asio::awaitable<void> Origin::restart_tracker() {
  if (host_ == nullptr || setting_up_) co_return;
  ready_ = false;
  published_.clear();
  co_await set_up(*host_);
}

}  // namespace murder::fleet
