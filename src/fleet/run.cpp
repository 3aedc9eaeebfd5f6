#include "fleet/run.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <exception>
#include <memory>

#include "base/error.hpp"
#include "net/signals.hpp"

namespace murder::fleet {
namespace {

namespace asio = boost::asio;

/// For the leases of locks.
constexpr double alive_every_s = 10;
constexpr Duration tick_every = std::chrono::milliseconds(200);
/// What was said last is on its way, and the hosts end their side; one that does not is left.
constexpr Duration longest_farewell = std::chrono::milliseconds(300);

class Run {
 public:
  Run(const FleetOptions& options, Observer& observer, const MakeWork& make_work,
      const RunHooks& hooks)
      : io_(std::make_unique<asio::io_context>(1)),
        fleet_(*io_, options, observer),
        work_(make_work(fleet_)),
        hooks_(hooks) {}
  ~Run() {
    work_->join();
    // What still waits is destroyed while all that it refers to is there.
    signals_.reset();
    timer_.reset();
    fleet_.drop_sessions();
    io_.reset();
  }

  FleetReport run() {
    signals_.emplace(*io_, SIGINT, SIGTERM, SIGHUP);
    timer_.emplace(*io_);
    await_signal();
    tick();
    asio::co_spawn(*io_, work_->run(), [this](const std::exception_ptr& error) {
      error_ = error;
      end();
    });
    io_->run();
    if (error_) keep_error();
    return fleet_.snapshot();
  }

 private:
  void await_signal() {
    signals_->async_wait([this](const boost::system::error_code& error, int number) {
      if (error) return;
      if (fleet_.report().signal) {
        io_->stop();
        return;
      }
      fleet_.report().signal = number;
      if (hooks_.say)
        hooks_.say("stopping: what is under way is seen through; once more ends it at once");
      fleet_.interrupt();
      work_->stop();
      await_signal();
    });
  }

  void tick() {
    if (hooks_.tick) hooks_.tick(fleet_);
    if (fleet_.seconds() - said_alive_s_ > alive_every_s) {
      said_alive_s_ = fleet_.seconds();
      for (const Member* member : fleet_.connected()) member->session->tell(R"({"order":"alive"})");
    }
    timer_->expires_after(tick_every);
    timer_->async_wait([this](const boost::system::error_code& error) {
      if (!error) tick();
    });
  }

  void end() {
    if (hooks_.tick) hooks_.tick(fleet_);
    timer_->cancel();
    fleet_.close();
    asio::co_spawn(*io_, farewell(), [this](const std::exception_ptr&) { io_->stop(); });
  }

  /// Sessions end by themselves when their last words are sent; nobody waits long for that.
  asio::awaitable<void> farewell() {
    const auto all_ended = [this] { return !fleet_.any_connected(); };
    co_await fleet_.changed().wait(all_ended, longest_farewell);
  }

  /// What ended the command as a whole is told with what became of the hosts.
  void keep_error() {
    FleetReport& report = fleet_.report();
    ErrorKind kind = ErrorKind::failed;
    std::string problem;
    try {
      std::rethrow_exception(error_);
    } catch (const Error& error) {
      kind = error.kind();
      problem = error.what();
    } catch (const std::exception& error) {
      problem = error.what();
    }
    if (!report.signal) report.error = kind;
    if (report.problem.empty()) report.problem = problem;
  }

  std::unique_ptr<asio::io_context> io_;
  Fleet fleet_;
  std::unique_ptr<FleetWork> work_;
  const RunHooks& hooks_;
  std::optional<asio::signal_set> signals_;
  std::optional<asio::steady_timer> timer_;
  double said_alive_s_ = 0;
  std::exception_ptr error_;
};

}  // namespace

FleetReport run_fleet(const FleetOptions& options, Observer& observer, const MakeWork& make_work,
                      const RunHooks& hooks) {
  net::ignore_sigpipe();
  return Run(options, observer, make_work, hooks).run();
}

}  // namespace murder::fleet
