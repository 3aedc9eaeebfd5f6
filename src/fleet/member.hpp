// One host of a fleet while a command works on it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/units.hpp"
#include "fleet/host.hpp"
#include "fleet/report.hpp"
#include "fleet/session.hpp"
#include "orders/orders.hpp"

namespace murder::fleet {

/// What a transfer on a host said last.
struct TransferState {
  bool running = false;
  std::uint64_t have_bytes = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t down_bytes_per_s = 0;
  std::uint32_t have_pieces = 0;
  std::uint32_t links = 0;
  bool complete = false;
  Instant linked_at{};  ///< when it last had a link to another host, or began
  Instant began_at{};
  Instant progress_at{};  ///< when it last came nearer to its end, or began
  std::uint64_t unpacked_bytes = 0;
  bool tracker_ok = true;
};

struct Member {
  Host host;
  std::size_t index = 0;  ///< in the inventory
  std::string dest;       ///< the command's, unless the host's label says another
  std::string target;     ///< of a copy, which is staged at `dest`; empty: no copy
  HostReport report;
  std::shared_ptr<Session> session;
  std::optional<std::string> via;  ///< its jump host, once ssh was asked; empty: none
  int drops = 0;                   ///< handshakes that its sshd, or its jump host's, did not take
  orders::Hello hello;
  orders::View view;  ///< as it was when it was first looked at
  TransferState transfer;
  /// What the transfer there says, besides what `transfer` keeps: pieces that were fed, what it
  /// has.
  std::function<void(const orders::Frame&)> on_transfer;
  std::function<void()> on_loss;   ///< of its session
  std::string loss;                ///< why it last lost its session
  std::optional<Instant> lost_at;  ///< when it lost its session; nullopt while it has one
  std::optional<Error> given_up;   ///< why nothing more is tried with it
  unsigned sessions = 0;           ///< that were begun
  bool connecting = false;         ///< somebody opens a session to it
  /// What a session that was opened anew has to do before it is used.
  std::function<boost::asio::awaitable<void>(Member&)> on_session;
  bool in_doubt = false;  ///< an order is out that switches it, or was lost

  bool failed() const { return report.state == HostState::failed; }
  bool is_connected() const { return session && session->is_open(); }
  /// Has had a session.
  bool was_connected() const { return !hello.machine.empty(); }
};

}  // namespace murder::fleet
