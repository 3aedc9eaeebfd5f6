#include "agent/duties.hpp"

#include <algorithm>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/system_error.hpp>
#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <span>
#include <stop_token>
#include <unistd.h>
#include <utility>
#include <vector>

#include "agent/activation.hpp"
#include "agent/check.hpp"
#include "agent/deploy_folder.hpp"
#include "agent/doctor.hpp"
#include "agent/placement.hpp"
#include "agent/releases.hpp"
#include "agent/seeding.hpp"
#include "agent/worker.hpp"
#include "base/endpoint.hpp"
#include "base/error.hpp"
#include "base/port_range.hpp"
#include "host/lock.hpp"
#include "net/peer_connection.hpp"
#include "orders/orders.hpp"

namespace murder::agent {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr std::uint16_t tracker_port = 8998;
/// The control side says every 10 s that it is there.
constexpr std::int64_t silent_after_s = 15;
/// An earlier session of the same deploy that is told to end does so at once, unless a hook runs.
constexpr Duration patience_with_own_session = std::chrono::seconds(3);
constexpr Duration touch_every = std::chrono::seconds(2);

struct HeldLock {
  DeployLock lock;
  std::string deploy;
  Duration lease;
};

/// Only what is surely a session of the same murder, for the lock's text is but a file's.
void end_session(pid_t pid) {
  if (pid <= 0 || pid == ::getpid()) return;
  std::error_code failed;
  const fs::path theirs = fs::read_symlink(fmt::format("/proc/{}/exe", pid), failed);
  if (failed || theirs != fs::read_symlink("/proc/self/exe", failed) || failed) return;
  ::kill(pid, SIGTERM);
}

std::string describe(const DeployLock::Holder& holder) {
  std::string text = holder.words;
  if (holder.deploy.empty()) return text;
  text += fmt::format(" ({} ago", format_duration(std::chrono::seconds(holder.held_s)));
  if (holder.leaving)
    text += ", ending";
  else if (holder.silent_s > silent_after_s)
    text += fmt::format(", last heard of {} ago",
                        format_duration(std::chrono::seconds(holder.silent_s)));
  return text + ")";
}

std::optional<IpAddress> parse_address(const std::string& text) {
  if (text.empty()) return IpAddress::v4({0, 0, 0, 0});
  return IpAddress::parse(text);
}

}  // namespace

struct Duties::Impl {
  using Attachment = std::span<const std::uint8_t>;

  Impl(asio::io_context& loop, const AgentOptions& given, Transfer::Tell tell, Log log)
      : io(loop),
        options(given),
        seeding(loop, given.executable, tell),
        transfer(loop, pool, given.executable, std::move(tell), std::move(log)) {}

  asio::io_context& io;
  AgentOptions options;
  std::stop_source stop;
  mutable std::mutex mutex;            ///< of `locks` and `trackers`: the worker's and the loop's
  std::map<fs::path, HeldLock> locks;  ///< by the DEST's path
  std::vector<pid_t> trackers;         ///< that end with the session
  Instant touched{};
  std::vector<std::unique_ptr<net::PeerListener>> listeners;
  asio::thread_pool pool{1};
  Seeding seeding;
  Transfer transfer;

  DeployPlace place() const {
    return {options.state.empty() ? default_state_folder(options.executable) : options.state,
            options.executable};
  }

  bool holds_lock(const std::string& dest) const {
    {
      const std::lock_guard guard(mutex);
      if (locks.empty()) return false;
    }
    const fs::path path = Destination::open(dest, Destination::Mode::existing).path();
    const std::lock_guard guard(mutex);
    return locks.contains(path);
  }

  Turn turn(const std::string& dest) const { return {holds_lock(dest), stop.get_token()}; }

  /// False: another holds it.
  bool take_lock(const Destination& destination, const orders::Lock& order) {
    const Duration lease = std::chrono::seconds(order.lease_s);
    {
      const std::lock_guard guard(mutex);
      const auto held = locks.find(destination.path());
      if (held != locks.end() && held->second.deploy == order.deploy) {
        held->second.lease = lease;
        return true;
      }
    }
    try {
      DeployLock lock(destination, order.deploy, order.who, order.host);
      const std::lock_guard guard(mutex);
      locks.insert_or_assign(destination.path(), HeldLock{std::move(lock), order.deploy, lease});
      return true;
    } catch (const LockHeld&) {
      return false;
    }
  }

  orders::Locked lock(const orders::Lock& order) {
    const Destination destination = Destination::open(order.dest, Destination::Mode::existing);
    const Instant give_up = std::chrono::steady_clock::now() + patience_with_own_session;
    for (bool told = false; !take_lock(destination, order);) {
      // Let go of just now?
      const DeployLock::Holder holder =
          DeployLock::look(destination).value_or(DeployLock::Holder());
      const bool same_deploy = holder.deploy == order.deploy && holder.pid != ::getpid();
      const bool own = same_deploy && holder.host == order.host;
      if (own && !std::exchange(told, true)) end_session(holder.pid);
      const bool may_change = own || holder.words.empty();
      if (!may_change || std::chrono::steady_clock::now() >= give_up || stop.stop_requested())
        return {.ok = false,
                .held_by = same_deploy && !own
                               ? fmt::format("this very deploy, for {}: both are names of one "
                                             "machine, or need another dest=",
                                             holder.host)
                               : describe(holder),
                .leaving = own || holder.leaving ||
                           (!holder.deploy.empty() && holder.silent_s > silent_after_s),
                .live = {}};
    }
    return {.ok = true,
            .held_by = {},
            .leaving = false,
            .live = destination.current_tag().value_or("")};
  }

  orders::TrackerRuns run_tracker(const orders::Tracker& order) {
    StartedTracker tracker = start_tracker(order, place(), stop.get_token());
    if (order.with_session && tracker.process) {
      const std::lock_guard guard(mutex);
      trackers.push_back(*tracker.process);
      if (stop.stop_requested()) end_trackers();
    }
    return std::move(tracker.runs);
  }

  /// Those of this session alone.
  void end_trackers() {
    for (const pid_t tracker : std::exchange(trackers, {})) ::kill(tracker, SIGTERM);
  }

  orders::Done unlock(const orders::Unlock& order) {
    const fs::path path = Destination::open(order.dest, Destination::Mode::existing).path();
    const std::lock_guard guard(mutex);
    locks.erase(path);
    return {};
  }

  orders::Listening listen(const orders::Listen& order) {
    const auto address = parse_address(order.address);
    if (!address)
      throw Error(ErrorKind::usage,
                  fmt::format("\"{}\" is no address to listen on", printable(order.address)));
    const auto close_at_once = [](const asio::ip::tcp::socket&) {};
    listeners.clear();
    const PortRange ports = parse_port_range(order.ports, "ports");
    listeners.push_back(std::make_unique<net::PeerListener>(io, *address, ports, close_at_once));
    // Among others than the usual ones the tracker has none of its own.
    if (!ports.is_named()) try {
        listeners.push_back(std::make_unique<net::PeerListener>(
            io, *address, PortRange{tracker_port, tracker_port}, close_at_once));
      } catch (const Error&) {
        // A tracker has it, perhaps: that port is known to be good for listening.
      }
    const auto own = IpAddress::parse(own_address());
    orders::Listening answer;
    for (const auto& listener : listeners) {
      Endpoint endpoint = listener->local_endpoint();
      if (endpoint.address.is_unspecified() && own) endpoint.address = *own;
      answer.endpoints.push_back(endpoint.to_string());
    }
    return answer;
  }

  template <class Work>
  auto blocking(Work work) {
    return on_worker(pool, std::move(work));
  }

  // One for each order. What blocks is on the worker.

  asio::awaitable<orders::View> carry_out(const orders::Look& order, Attachment /*none*/) {
    co_return co_await blocking(
        [&] { return look(order, holds_lock(order.dest), stop.get_token()); });
  }
  asio::awaitable<orders::TrackerRuns> carry_out(const orders::Tracker& order,
                                                 Attachment /*none*/) {
    co_return co_await blocking([&] { return run_tracker(order); });
  }
  asio::awaitable<orders::Done> carry_out(const orders::Publish& order, Attachment attached) {
    co_return co_await blocking([&] {
      publish(order, attached, place());
      return orders::Done{};
    });
  }
  asio::awaitable<orders::Done> carry_out(const orders::Seed& order, Attachment /*none*/) {
    return seeding.serve(order);
  }
  asio::awaitable<orders::Staged> carry_out(const orders::Stage& order, Attachment attached) {
    return transfer.stage(order, attached);
  }
  asio::awaitable<orders::Locked> carry_out(const orders::Lock& order, Attachment /*none*/) {
    co_return co_await blocking([&] { return lock(order); });
  }
  asio::awaitable<orders::Done> carry_out(const orders::Unlock& order, Attachment /*none*/) {
    co_return co_await blocking([&] { return unlock(order); });
  }
  asio::awaitable<orders::Activated> carry_out(const orders::Activate& order, Attachment /*none*/) {
    co_return co_await blocking([&] { return activate(order, turn(order.dest)); });
  }
  asio::awaitable<orders::Checked> carry_out(const orders::Check& order, Attachment /*none*/) {
    co_return co_await blocking([&] { return check(order, stop.get_token()); });
  }
  asio::awaitable<orders::Activated> carry_out(const orders::Rollback& order, Attachment /*none*/) {
    co_return co_await blocking([&] { return roll_back(order, turn(order.dest)); });
  }
  asio::awaitable<orders::Placed> carry_out(const orders::Place& order, Attachment /*none*/) {
    co_return co_await blocking([&] { return agent::place(order, stop.get_token()); });
  }
  asio::awaitable<orders::Releases> carry_out(const orders::ListReleases& order,
                                              Attachment /*none*/) {
    co_return co_await blocking([&] { return list_releases(order); });
  }
  asio::awaitable<orders::Verified> carry_out(const orders::Verify& order, Attachment /*none*/) {
    co_return co_await blocking([&] { return verify(order, stop.get_token()); });
  }
  asio::awaitable<orders::Pruned> carry_out(const orders::Prune& order, Attachment /*none*/) {
    co_return co_await blocking([&] { return prune(order, stop.get_token()); });
  }
  asio::awaitable<orders::Examined> carry_out(const orders::Examine& order, Attachment /*none*/) {
    co_return co_await blocking([&] { return examine(order, options.executable); });
  }
  asio::awaitable<orders::Listening> carry_out(const orders::Listen& order, Attachment /*none*/) {
    co_return listen(order);
  }
  asio::awaitable<orders::Probed> carry_out(const orders::Probe& order, Attachment /*none*/) {
    co_return co_await blocking([&] { return probe(order, stop.get_token()); });
  }

  template <class O>
  asio::awaitable<std::string> answer(std::uint64_t id, const O& order, Attachment attached) {
    const typename O::Answer answer = co_await carry_out(order, attached);
    co_return orders::encode_answer(id, answer);
  }
};

Duties::Duties(asio::io_context& io, const AgentOptions& options, Transfer::Tell tell, Log log)
    : impl_(std::make_unique<Impl>(io, options, std::move(tell), std::move(log))) {}

Duties::~Duties() { impl_->pool.join(); }

Transfer& Duties::transfer() { return impl_->transfer; }

asio::awaitable<std::string> Duties::answer(orders::Frame frame) {
  const std::uint64_t id = orders::peek_order(frame.json).id;
  try {
    const orders::ReceivedOrder received = orders::parse_order(frame.json);
    co_return co_await std::visit(
        [&](const auto& order) { return impl_->answer(id, order, frame.attachment); },
        received.order);
  } catch (const boost::system::system_error& error) {
    if (error.code() == asio::error::operation_aborted) throw;
    co_return orders::encode_error(id, ErrorKind::failed, error.what());
  } catch (const Error& error) {
    co_return orders::encode_error(id, error.kind(), error.what());
  } catch (const std::bad_alloc&) {
    co_return orders::encode_error(id, ErrorKind::failed, "out of memory");
  } catch (const std::exception& error) {
    co_return orders::encode_error(id, ErrorKind::failed, error.what());
  }
}

Duration Duties::lease() const {
  Duration shortest{};
  const std::lock_guard guard(impl_->mutex);
  for (const auto& [dest, held] : impl_->locks)
    if (held.lease != Duration{} && (shortest == Duration{} || held.lease < shortest))
      shortest = held.lease;
  return shortest;
}

void Duties::heard() {
  const Instant now = std::chrono::steady_clock::now();
  const std::lock_guard guard(impl_->mutex);
  if (impl_->locks.empty() || now - impl_->touched < touch_every) return;
  impl_->touched = now;
  for (auto& [dest, held] : impl_->locks) held.lock.touch();
}

void Duties::end() {
  impl_->stop.request_stop();
  {
    const std::lock_guard guard(impl_->mutex);
    for (auto& [dest, held] : impl_->locks) held.lock.set_leaving();
    impl_->end_trackers();
  }
  impl_->seeding.end();
  impl_->transfer.close();
  impl_->listeners.clear();
}

}  // namespace murder::agent
