#include "fleet/origin.hpp"

#include <algorithm>
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

}  // namespace

Origin::Origin(Fleet& fleet, HostBinaries& binaries, std::string named)
    : fleet_(fleet),
      binaries_(binaries),
      named_(std::move(named)),
      condition_(fleet.io()),
      pushes_(fleet.io(), pushes_at_once) {}

asio::awaitable<void> Origin::prepare() {
  std::vector<BootstrapBinary> binaries = co_await binaries_.all();
  fleet_.set_binaries(std::move(binaries));
}

bool Origin::may_be(const Member& member) const {
  return !member.failed() && !unfit_.contains(&member) &&
         (named_.empty() || member.host.name == named_);
}

void Origin::choose(Member& member) {
  host_ = &member;
  fleet_.report().origin = member.host.name;
}

asio::awaitable<Supply> Origin::supply(Member& member, NeedsBinary need, std::string failure) {
  const HostBinary binary = co_await binaries_.get(need.machine);
  Supply supply;
  supply.binary = binary.to_bootstrap();
  if (host_ == nullptr && may_be(member)) choose(member);
  if (host_ != &member && failure.empty()) {
    // The origin has it first; it is asked for when it is there.
    try {
      co_await ready(member);
      co_await publish_binary(need.machine);
      supply.url = fmt::format("{}{}", runs_.files_url, file_name(binary.to_bootstrap()) + ".gz");
      co_return supply;
    } catch (const Error&) {
      // No origin to be had: over the session, then, and it is the origin itself.
      if (host_ == nullptr && may_be(member)) choose(member);
    }
  }
  if (!failure.empty())
    fleet_.note(member, fmt::format("the binary came over ssh: {}", printable(failure)));
  const Gate::Place place = co_await pushes_.enter();
  supply.packing = need.unpacks_xz ? Packing::xz : Packing::gzip;
  supply.compressed = co_await binaries_.compressed(need.machine, supply.packing);
  co_return supply;
}

/// Once, however many ask for it. Without content it is the origin's own binary.
asio::awaitable<void> Origin::publish(std::string file, const std::string* content) {
  while (!published_.contains(file)) {
    if (!publishing_.insert(file).second) {
      co_await condition_.wait([&] { return !publishing_.contains(file); }, patience);
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
      co_await fleet_.order(*host_, std::move(order), patience, bytes);
      published_.insert(file);
    } catch (...) {
      failure = std::current_exception();
    }
    publishing_.erase(file);
    condition_.notify();
    if (failure) std::rethrow_exception(failure);
  }
}

asio::awaitable<void> Origin::publish_binary(const std::string& machine) {
  const HostBinary binary = co_await binaries_.get(machine);
  // Its own binary the origin has already; another machine's it gets from here.
  std::shared_ptr<const std::string> gzip;
  if (machine_name(host_->hello.machine) != machine_name(machine))
    gzip = co_await binaries_.compressed(machine, Packing::gzip);
  co_await publish(file_name(binary.to_bootstrap()) + ".gz", gzip.get());
}

void Origin::set_torrent(const std::string& name, std::string torrent) {
  torrent_name_ = name;
  torrent_ = std::move(torrent);
}

asio::awaitable<void> Origin::torrent_ready(Member& candidate) {
  co_await ready(candidate);
  co_await publish(torrent_name_, &torrent_);
}

asio::awaitable<void> Origin::set_up(Member& member) {
  setting_up_ = true;
  std::exception_ptr failure;
  try {
    orders::Tracker tracker;
    tracker.deploy = fleet_.options().deploy;
    tracker.address = member.report.address;
    // The origin seeds and is not counted.
    tracker.expect = static_cast<std::uint32_t>(fleet_.members().size() - 1);
    tracker.idle_s = 120;
    // No second session is tried: one that cannot answer now is no origin.
    orders::TrackerRuns runs =
        co_await member.session->order(std::move(tracker), patience_with_tracker);
    published_.clear();
    runs_ = std::move(runs);
    std::erase(announce_urls_, runs_.announce_url);
    announce_urls_.insert(announce_urls_.begin(), runs_.announce_url);
    ready_ = true;
  } catch (...) {
    failure = std::current_exception();
    unfit_.insert(&member);
    if (host_ == &member) host_ = nullptr;
  }
  setting_up_ = false;
  condition_.notify();
  fleet_.changed().notify();
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<void> Origin::ready(Member& candidate) {
  while (!ready_) {
    if (fleet_.interrupted()) throw Error(ErrorKind::interrupted, "interrupted");
    if (host_ != nullptr && !may_be(*host_)) host_ = nullptr;
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
    co_await fleet_.changed().wait([&] {
      return ready_ || fleet_.interrupted() || host_ == nullptr || !may_be(*host_) ||
             (host_->is_connected() && !setting_up_);
    });
  }
}

/// The one that is wanted, also when it is still on its way; else one that is there.
void Origin::look_for_host(Member& candidate) {
  if (!named_.empty()) {
    const auto named =
        std::find_if(fleet_.members().begin(), fleet_.members().end(),
                     [&](const auto& member) { return member->host.name == named_; });
    if (named != fleet_.members().end() && may_be(**named)) {
      choose(**named);
      return;
    }
    fleet_.note(fmt::format("{} cannot be the origin: another host is", named_));
    named_.clear();
  }
  if (candidate.is_connected() && may_be(candidate)) {
    choose(candidate);
    return;
  }
  for (Member* member : fleet_.connected()) {
    if (!may_be(*member)) continue;
    choose(*member);
    return;
  }
}

std::string Origin::torrent_url() const { return runs_.files_url + torrent_name_; }

asio::awaitable<void> Origin::replace(std::string why) {
  if (host_ != nullptr) {
    unfit_.insert(host_);
    fleet_.note(fmt::format("the origin, {}, was lost ({}): another host takes its place",
                            host_->host.name, why));
  }
  host_ = nullptr;
  named_.clear();
  ready_ = false;
  for (Member* member : fleet_.connected()) {
    if (!may_be(*member) || !member->transfer.running) continue;
    choose(*member);
    try {
      co_await set_up(*member);
      co_return;
    } catch (const Error&) {
      continue;
    }
  }
}

asio::awaitable<void> Origin::restart_tracker() {
  if (host_ == nullptr || setting_up_) co_return;
  ready_ = false;
  co_await set_up(*host_);
}

}  // namespace murder::fleet
