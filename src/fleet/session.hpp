// One ssh session to one host: the handshake, murder put there if it is missing, and then the
// conversation of orders and answers (orders/). Belongs to the thread that runs the io_context.
//
// A lost session is an error of the order that waits for an answer, never of what runs on the host:
// a transfer goes on there, and a new session finds it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "fleet/bootstrap.hpp"
#include "fleet/deadline.hpp"
#include "fleet/host.hpp"
#include "fleet/ssh.hpp"
#include "net/child_process.hpp"
#include "orders/frame.hpp"
#include "orders/orders.hpp"

namespace murder::fleet {

/// How a host gets the binary that it lacks: where to fetch it, or the bytes themselves.
struct Supply {
  std::string url;                                          ///< empty: over this session
  std::shared_ptr<const std::string> compressed = nullptr;  ///< with an empty url
  Packing packing = Packing::gzip;                          ///< of that
  BootstrapBinary binary;
};
/// Asked when a host says that it has no binary for its machine; asked again with the reason when
/// that failed. Throws Error when there is none to be had.
using Supplier =
    std::function<boost::asio::awaitable<Supply>(NeedsBinary need, std::string last_failure)>;

/// ssh said that the host is not to be had just now; another attempt may do.
class Dropped : public Error {
 public:
  explicit Dropped(const SshFailure& failure)
      : Error(failure.kind, failure.reason), tries_(failure.tries) {}
  Tries tries() const { return tries_; }

 private:
  Tries tries_;
};
/// It let us in and then did nothing: another attempt would end alike.
class Unresponsive : public Error {
 public:
  using Error::Error;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  /// `on_frame`: what a transfer on the host says, between the answers. `on_loss`: it was open and
  /// is no more.
  Session(boost::asio::io_context& io, const Host& host, const SshOptions& options,
          std::function<void(const orders::Frame&)> on_frame, std::function<void()> on_loss);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Connects and brings murder there. `on_reached` is called as soon as the host has answered at
  /// all. Throws Error: unreachable (what ssh said, and a way out; Dropped when another attempt may
  /// do), failed (nowhere to put the binary, sudo refused), usage.
  boost::asio::awaitable<orders::Hello> open(const BootstrapOptions& bootstrap, Supplier supplier,
                                             std::function<void()> on_reached);

  /// The same with an agent on this machine, this very program with these arguments. It ends with
  /// the session, and with it what was ordered to.
  boost::asio::awaitable<orders::Hello> open_here(std::vector<std::string> arguments);

  /// Orders, and waits for the answer. Throws the host's own Error; Error{unreachable} when the
  /// session is lost or `patience` is over.
  template <class O>
  boost::asio::awaitable<typename O::Answer> order(O order, Duration patience,
                                                   std::span<const std::uint8_t> attachment = {}) {
    const std::uint64_t id = next_id_++;
    const orders::Frame frame = co_await exchange(id, orders::encode_order(id, order), attachment,
                                                  patience, std::string(O::name));
    co_return orders::parse_answer<typename O::Answer>(frame.json);
  }
  /// For the transfer that runs there; what it says comes through `on_frame`.
  void tell(std::string_view json, std::span<const std::uint8_t> attachment = {});

  bool is_open() const { return open_ && !lost_; }
  /// Why it is no more; empty while it is.
  const std::string& loss() const { return loss_; }
  /// The time between asking and hearing of the quickest answer; zero when not known.
  Duration round_trip() const { return round_trip_; }
  /// When something last came from the host.
  Instant heard_at() const { return heard_at_; }
  /// Ends it: the host sees the end of its orders. Does not wait.
  void close();
  /// Ends it at once; `why` is what is then said of the loss.
  void abort(const std::string& why = {});

 private:
  struct Pending {
    explicit Pending(boost::asio::io_context& io) : timer(io) {}
    boost::asio::steady_timer timer;
    std::optional<orders::Frame> frame;
  };
  using Shared = std::shared_ptr<Session>;

  boost::asio::awaitable<orders::Frame> exchange(std::uint64_t id, std::string json,
                                                 std::span<const std::uint8_t> attachment,
                                                 Duration patience, std::string what);
  boost::asio::awaitable<orders::Hello> start(std::vector<std::string> command, Supplier supplier,
                                              std::function<void()> on_reached);
  boost::asio::awaitable<void> converse(Supplier& supplier, std::function<void()> on_reached);
  boost::asio::awaitable<std::string> read_some();
  boost::asio::awaitable<void> serve(NeedsBinary& need, std::string failure, Supplier& supplier);
  boost::asio::awaitable<void> keep_reading(Shared self);
  boost::asio::awaitable<void> keep_reading_errors(Shared self);
  boost::asio::awaitable<void> keep_writing(Shared self);
  boost::asio::awaitable<std::string> how_it_ended();
  std::string how_agent_ended(int status) const;
  boost::asio::awaitable<void> throw_failure();
  template <class Take>
  boost::asio::awaitable<bool> receive(net::ChildProcess::Stream& stream, Take take);
  void read_last_errors();
  void keep_errors(std::string_view bytes);
  void write(std::string bytes);
  void take(const orders::Frame& frame);
  void lose(std::string reason);

  boost::asio::io_context& io_;
  Host host_;
  SshOptions options_;
  std::function<void(const orders::Frame&)> on_frame_;
  std::function<void()> on_loss_;
  std::optional<net::ChildProcess> child_;
  std::optional<BootstrapDialogue> dialogue_;
  std::optional<Deadline> deadline_;  ///< of what is waited for while it is opened
  orders::FrameReader reader_;
  std::string said_;  ///< the last of ssh's stderr
  std::deque<std::string> unsent_;
  bool writing_ = false;
  bool close_when_written_ = false;
  std::map<std::uint64_t, std::shared_ptr<Pending>> waiting_;
  std::optional<orders::Hello> hello_;
  std::uint64_t next_id_ = 1;
  Duration round_trip_{};
  bool open_ = false;
  bool lost_ = false;
  Instant heard_at_{};
  std::string aborted_;  ///< why
  std::string loss_;
};

}  // namespace murder::fleet
