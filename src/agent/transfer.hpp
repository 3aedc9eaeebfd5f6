// The transfer that a session watches: started or joined, listened to, started again when it was
// killed, and left alone when the session ends. The transfer itself is a process of its own
// (`murder peer --control`); what is said to it and by it is in docs/control-socket.md.
//
// Belongs to the thread that runs the io_context.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

#include "agent/notice.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "host/destination.hpp"
#include "orders/frame.hpp"
#include "orders/orders.hpp"

namespace murder::agent {

class Transfer {
 public:
  /// Passes on to the control side what the transfer says; returns when there is room for more.
  using Tell = std::function<boost::asio::awaitable<void>(orders::Frame)>;

  /// `executable`: murder, for starting transfers.
  Transfer(boost::asio::io_context& io, boost::asio::thread_pool& worker,
           std::filesystem::path executable, Tell tell, Log log);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// A Stage order has come, for which stage() will be called: what is meant for the transfer waits
  /// until it can be told.
  void expect() { ++expected_; }
  /// Carries it out; returns when the release is staged (a seeder: and its pack is whole). The
  /// transfer is then still listened to. Throws what the transfer said, or how it ended.
  boost::asio::awaitable<orders::Staged> stage(const orders::Stage& order,
                                               std::span<const std::uint8_t> torrent);
  /// To the transfer. Waits while one is being started, or while a lot waits to be read by it; when
  /// there is none, the control side is told so.
  boost::asio::awaitable<void> pass_on(orders::Frame frame);
  /// The session ends: nothing waits any more. The transfer goes on.
  void close();

 private:
  struct Link;
  struct Prepared {
    Destination destination;
    std::string source;  ///< of the torrent
    bool staged = false;
  };
  /// What the transfer said that matters for the order.
  struct Outcome {
    bool staged = false;
    bool complete = false;
    std::uint64_t fetched_bytes = 0;
    std::uint64_t resumed_bytes = 0;
    std::optional<Error> error;
  };

  static Prepared prepare(const orders::Stage& order, std::span<const std::uint8_t> torrent);
  boost::asio::awaitable<orders::Staged> carry_out(const orders::Stage& order,
                                                   std::span<const std::uint8_t> torrent);
  boost::asio::awaitable<void> reach(const orders::Stage& order, const Prepared& prepared);
  boost::asio::awaitable<bool> try_to_connect(const orders::Stage& order, const Prepared& prepared);
  boost::asio::awaitable<void> child_ended(const orders::Stage& order, const Prepared& prepared,
                                           int status);
  void start(const orders::Stage& order, const Prepared& prepared);
  void let_go();
  bool is_done(const orders::Stage& order) const;
  boost::asio::awaitable<void> listen(std::shared_ptr<Link> link);
  void note(const std::string& json);

  boost::asio::io_context& io_;
  boost::asio::thread_pool& worker_;
  std::filesystem::path executable_;
  Tell tell_;
  Log log_;
  Notice changed_;
  std::size_t expected_ = 0;  ///< Stage orders that have come and are not answered
  std::shared_ptr<Link> link_;
  std::string info_hash_;  ///< of the transfer that is wanted
  Outcome outcome_;
  std::optional<pid_t> child_;  ///< not reaped yet
  std::vector<pid_t> left_;     ///< children of earlier orders
  unsigned starts_ = 0;         ///< for this order
  bool closed_ = false;
};

}  // namespace murder::agent
