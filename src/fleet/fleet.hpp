// The hosts of one command, reached in parallel: sessions that are opened once and opened again
// when they are lost, the report that grows, and whoever is told of it. Belongs to the thread that
// runs the io_context.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/port_range.hpp"
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
  /// What happens now: "wave 1 of 3: 2 hosts".
  virtual void progressed(const std::string& words) = 0;
  /// What a hook or check printed, or an error at length.
  virtual void logged(const std::string& host, Phase phase, std::string_view text) = 0;
};

struct FleetOptions {
  std::vector<Host> hosts;
  SshOptions ssh;
  std::string dest;     ///< of hosts without a label for it
  std::string deploy;   ///< id
  std::string command;  ///< "deploy", …
  std::string nonce;    ///< hex; marks what the bootstrap script says
  std::string who;      ///< "alice@laptop"
  PortRange ports;      ///< of the swarm; none named: 8998 to 9060
  /// How long a lost session is tried again; several times as long when all hosts are lost at once,
  /// for then it is this machine that is off its network.
  Duration reconnect = std::chrono::seconds(20);
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
  /// "TCP 8998 to 9060": what is to be open between the hosts.
  std::string swarm_ports() const;
  /// As orders name them; empty: the usual ones.
  std::string ports() const;

  /// What is looked for on each host.
  void set_binaries(std::vector<BootstrapBinary> binaries) {
    bootstrap_binaries_ = std::move(binaries);
  }
  /// Where hosts that lack the binary get it from; asked by connect().
  using HostSupplier =
      std::function<boost::asio::awaitable<Supply>(Member&, NeedsBinary need, std::string why)>;
  void set_supplier(HostSupplier supplier) { supplier_ = std::move(supplier); }
  /// Told when a host is lost while murder is brought there, which is then tried again.
  void set_on_setback(std::function<void(Member&)> on_setback) {
    on_setback_ = std::move(on_setback);
  }

  /// Sessions to these are opened before the others begin to be, which wait for one of them, and
  /// not for long. The key exchanges with a whole fleet take a machine with few cores a second and
  /// more; what everybody waits for need not.
  void give_head_start(const std::vector<Member*>& members);

  /// A session to it, if it has none; whoever asks meanwhile waits for the same one. Dropped
  /// handshakes are tried again, later and later, and so is a host that is lost while murder is
  /// brought there. Throws Error; the report is not touched by that.
  boost::asio::awaitable<void> connect(Member& member);
  /// As Session::order, on a session that is opened again when it is lost, for
  /// FleetOptions::reconnect from each loss on. Only for orders that may be given twice.
  template <class O>
  boost::asio::awaitable<typename O::Answer> order(Member& member, O order, Duration patience,
                                                   std::span<const std::uint8_t> attachment = {}) {
    Losses losses;
    for (;;) {
      std::string failure;
      try {
        co_await connect(member);
        losses.opened();
        O copy = order;
        if constexpr (requires { order.again; }) order.again = true;  // should it be lost
        co_return co_await member.session->order(std::move(copy), patience, attachment);
      } catch (const Error& error) {
        if (member.given_up) throw Error(*member.given_up);
        if (!is_loss(member, error)) throw;
        failure = error.what();
      }
      co_await wait_after_loss(member, losses, std::move(failure));
    }
  }
  /// Nothing more is tried with this host: what it was ordered fails with that reason, soon.
  void give_up_on(Member& member, const Error& reason);

  /// Runs `work` on all of them at once and waits for all. What it throws becomes that host's
  /// failure in `phase`.
  boost::asio::awaitable<void> on_each(std::vector<Member*> members, Phase phase,
                                       std::function<boost::asio::awaitable<void>(Member&)> work);

  std::vector<Member*> all();
  std::vector<Member*> connected();
  /// The machine that we run on, when it is to take part: a session like any other, to an agent
  /// that ends with it. Neither among members() nor in the report.
  Member& here();
  bool has_here() const { return here_ != nullptr; }
  bool any_connected() const;

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
  /// What became of the sessions of one order.
  struct Losses {
    std::optional<Instant> since;  ///< no session from then on
    Instant opened_at{};
    int short_lived = 0;  ///< one after another that were lost soon after they were opened
    Duration wait{};
    void opened();
  };
  bool is_loss(const Member& member, const Error& error) const;
  boost::asio::awaitable<void> wait_after_loss(Member& member, Losses& losses, std::string failure);
  Duration patience_with_loss() const;
  boost::asio::awaitable<void> open_session(Member& member);
  boost::asio::awaitable<void> try_to_open(Member& member, Gate* jump_host);
  boost::asio::awaitable<void> open_here(Member& member);
  std::vector<Session*> sessions() const;
  void lost(Member& member);
  void note_once(const std::string& text);
  void heard(Member& member, const orders::Frame& frame);
  boost::asio::awaitable<Gate*> jump_gate(Member& member);

  boost::asio::io_context& io_;
  FleetOptions options_;
  Observer& observer_;
  Instant started_;
  FleetReport report_;
  std::vector<std::unique_ptr<Member>> members_;
  std::unique_ptr<Member> here_;
  HostSupplier supplier_;
  std::function<void(Member&)> on_setback_;
  std::vector<BootstrapBinary> bootstrap_binaries_;
  Gate handshakes_;
  Gate questions_;
  std::map<std::string, std::unique_ptr<Gate>> jump_gates_;  ///< by what leads to the jump host
  Condition changed_;
  std::vector<const Member*> first_;  ///< of give_head_start(), until one of them is connected
  /// Since when any host at all can be reached: a machine that was off its network for a while
  /// gives each host its time from then on.
  Instant reachable_since_{};
  bool interrupted_ = false;
};

}  // namespace murder::fleet
