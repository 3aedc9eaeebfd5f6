#include "agent/duties.hpp"

#include <algorithm>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/system_error.hpp>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "agent/activation.hpp"
#include "agent/check.hpp"
#include "agent/deploy_folder.hpp"
#include "agent/doctor.hpp"
#include "agent/releases.hpp"
#include "agent/worker.hpp"
#include "base/endpoint.hpp"
#include "base/error.hpp"
#include "host/lock.hpp"
#include "net/peer_connection.hpp"
#include "orders/orders.hpp"

namespace murder::agent {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr std::uint16_t tracker_port = 8998;

struct HeldLock {
  DeployLock lock;
  std::string deploy;
  Duration lease;
};

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
        transfer(loop, pool, given.executable, std::move(tell), std::move(log)) {}

  asio::io_context& io;
  AgentOptions options;
  std::stop_source stop;
  /// By the DEST's path. Touched by the worker, while the coroutine that ordered it waits.
  std::map<fs::path, HeldLock> locks;
  std::vector<std::unique_ptr<net::PeerListener>> listeners;
  asio::thread_pool pool{1};
  Transfer transfer;

  DeployPlace place() const {
    return {options.state.empty() ? default_state_folder(options.executable) : options.state,
            options.executable};
  }

  bool holds_lock(const std::string& dest) const {
    if (locks.empty()) return false;
    return locks.contains(Destination::open(dest, Destination::Mode::existing).path());
  }

  Turn turn(const std::string& dest) const { return {holds_lock(dest), stop.get_token()}; }

  orders::Locked lock(const orders::Lock& order) {
    const Destination destination = Destination::open(order.dest, Destination::Mode::existing);
    const Duration lease = std::chrono::seconds(order.lease_s);
    const auto held = locks.find(destination.path());
    if (held != locks.end() && held->second.deploy == order.deploy) {
      held->second.lease = lease;
      return {true, ""};
    }
    try {
      locks.insert_or_assign(
          destination.path(),
          HeldLock{DeployLock(destination, order.deploy, order.who), order.deploy, lease});
      return {true, ""};
    } catch (const LockHeld& taken) {
      return {false, taken.holder()};
    }
  }

  orders::Done unlock(const orders::Unlock& order) {
    locks.erase(Destination::open(order.dest, Destination::Mode::existing).path());
    return {};
  }

  orders::Listening listen(const orders::Listen& order) {
    const auto address = parse_address(order.address);
    if (!address)
      throw Error(ErrorKind::usage,
                  fmt::format("\"{}\" is no address to listen on", printable(order.address)));
    const auto close_at_once = [](const asio::ip::tcp::socket&) {};
    listeners.clear();
    listeners.push_back(std::make_unique<net::PeerListener>(io, *address, 0, close_at_once));
    try {
      listeners.push_back(
          std::make_unique<net::PeerListener>(io, *address, tracker_port, close_at_once));
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
        [&] { return look(order, !locks.empty() && holds_lock(order.dest)); });
  }
  asio::awaitable<orders::TrackerRuns> carry_out(const orders::Tracker& order,
                                                 Attachment /*none*/) {
    co_return co_await blocking([&] { return start_tracker(order, place(), stop.get_token()); });
  }
  asio::awaitable<orders::Done> carry_out(const orders::Publish& order, Attachment attached) {
    co_return co_await blocking([&] {
      publish(order, attached, place());
      return orders::Done{};
    });
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
  for (const auto& [dest, held] : impl_->locks)
    if (held.lease != Duration{} && (shortest == Duration{} || held.lease < shortest))
      shortest = held.lease;
  return shortest;
}

void Duties::end() {
  impl_->stop.request_stop();
  impl_->transfer.close();
  impl_->listeners.clear();
}

}  // namespace murder::agent
