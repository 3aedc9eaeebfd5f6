// The hosts of one command, reached in parallel: sessions that are opened once and opened again
// when they are lost, the report that grows, and whoever is told of it. Belongs to the thread that
// runs the io_context.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.hpp"
#include "fleet/member.hpp"
#include "fleet/report.hpp"
#include "fleet/session.hpp"
#include "fleet/waiting.hpp"

namespace murder::fleet {

/// Who is told what happens. Called from the loop; must not wait.
class Observer {
 public:
  virtual ~Observer() = default;
  /// Its state, a time or a note is another.
  virtual void host_changed(const HostReport& host) = 0;
  /// Worth knowing about the whole.
  virtual void noted(const std::string& note) = 0;
  /// What a hook or check printed, or an error at length.
  virtual void logged(const std::string& host, Phase phase, std::string_view text) = 0;
};

struct FleetOptions {
  std::vector<Host> hosts;
  SshOptions ssh;
  std::string dest;
  std::string deploy;                             ///< id
  std::string command;                            ///< "deploy", …
  std::string nonce;                              ///< hex; marks what the bootstrap script says
  std::string who;                                ///< "alice@laptop"
  Duration reconnect = std::chrono::seconds(20);  ///< how long a lost session is tried again
};

class Fleet {
 public:
  Fleet(boost::asio::io_context& io, const FleetOptions& options, Observer& observer);
  ~Fleet();

  boost::asio::io_context& io() { return io_; }
  const FleetOptions& options() const { return options_; }
  Observer& observer() { return observer_; }
  std::vector<std::unique_ptr<Member>>& members() { return members_; }
  FleetReport& report() { return report_; }
  /// The report with the hosts as they are now.
  FleetReport snapshot() const;
  double seconds() const;  ///< since the command began

  /// What is looked for on each host.
  void set_binaries(std::vector<BootstrapBinary> binaries) {
    bootstrap_binaries_ = std::move(binaries);
  }
  /// Where hosts that lack the binary get it from; asked by connect().
  using HostSupplier =
      std::function<boost::asio::awaitable<Supply>(Member&, NeedsBinary need, std::string why)>;
  void set_supplier(HostSupplier supplier) { supplier_ = std::move(supplier); }

  /// A session to it, if it has none. Dropped handshakes are tried again, later and later. Throws
  /// Error; the report is not touched by that.
  boost::asio::awaitable<void> connect(Member& member);
  /// As Session::order, on a session that is opened again when it is lost. Only for orders that may
  /// be given twice.
  template <class O>
  boost::asio::awaitable<typename O::Answer> order(Member& member, O order, Duration patience,
                                                   std::span<const std::uint8_t> attachment = {}) {
    const Instant give_up = std::chrono::steady_clock::now() + options_.reconnect;
    for (Duration wait = std::chrono::milliseconds(250);; wait *= 2) {
      std::exception_ptr lost;
      try {
        co_await connect(member);
        O copy = order;
        co_return co_await member.session->order(std::move(copy), patience, attachment);
      } catch (const Error&) {
        if (member.is_connected() || interrupted_ || !was_connected(member) ||
            std::chrono::steady_clock::now() > give_up)
          throw;
        lost = std::current_exception();
      }
      co_await sleep_for(io_, wait);
    }
  }

  /// Runs `work` on all of them at once and waits for all. What it throws becomes that host's
  /// failure in `phase`.
  boost::asio::awaitable<void> on_each(std::vector<Member*> members, Phase phase,
                                       std::function<boost::asio::awaitable<void>(Member&)> work);

  std::vector<Member*> all();
  std::vector<Member*> connected();

  void change(Member& member, HostState state);
  void fail(Member& member, Phase phase, const std::exception_ptr& error);
  void fail(Member& member, Phase phase, ErrorKind kind, const std::string& reason);
  void note(const std::string& text);
  void note(Member& member, const std::string& text);
  void told(Member& member) { observer_.host_changed(member.report); }

  /// Somebody's state has changed; for those that wait for that.
  Condition& changed() { return changed_; }

  /// From a signal: no session is opened any more, and orders are not given again.
  void interrupt();
  bool interrupted() const { return interrupted_; }
  /// Ends all sessions when what was said has been sent.
  void close();
  /// At the very end, before the loop goes.
  void drop_sessions();

 private:
  bool was_connected(const Member& member) const { return !member.hello.machine.empty(); }
  void heard(Member& member, const orders::Frame& frame);

  boost::asio::io_context& io_;
  FleetOptions options_;
  Observer& observer_;
  Instant started_;
  FleetReport report_;
  std::vector<std::unique_ptr<Member>> members_;
  HostSupplier supplier_;
  std::vector<BootstrapBinary> bootstrap_binaries_;
  Gate handshakes_;
  Condition changed_;
  bool interrupted_ = false;
};

}  // namespace murder::fleet
