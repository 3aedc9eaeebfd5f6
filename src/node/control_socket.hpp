// The socket through which a running transfer is watched and steered by processes that come and go:
// .murder/transfers/TAG.sock in DEST, for its own user and root alone. What is said through it is
// in docs/control-socket.md; here are the socket, its controllers and their frames.
//
// Several controllers at a time. One that does not read never holds anything up: what waits for it
// is bounded, then it is let go. One that hands over more than can be taken is read no further
// until it can. Everything belongs to the thread that runs the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "host/destination.hpp"
#include "orders/frame.hpp"

namespace murder::node {

/// Below .murder/transfers: "TAG.sock"; of a tag too long for a socket's address its digest.
std::string control_socket_name(const std::string& tag);

/// Connects to the transfer of `tag` at `destination`: blocking, close-on-exec. Empty when none
/// listens. Throws Error{failed} when it cannot be tried: no right to, /proc not mounted.
UniqueFd connect_control_socket(const Destination& destination, const std::string& tag);

class ControlSocket {
 public:
  /// To one controller; nothing happens when it has gone.
  using Answer =
      std::function<void(std::string_view json, std::span<const std::uint8_t> attachment)>;

  /// Whom controllers speak to.
  class Handler {
   public:
    virtual ~Handler() = default;
    /// What a controller is told first.
    virtual std::vector<std::string> greeting() = 0;
    virtual void on_order(orders::Frame order, Answer answer) = 0;
    /// Orders are left unread while this holds; resume() when it no longer does.
    virtual bool is_full() const = 0;
  };

  /// What waits for one controller, beyond what the kernel holds; with more it is let go.
  static constexpr std::size_t max_waiting_bytes = 1u << 20;
  static constexpr std::size_t max_controllers = 16;

  /// Listens at once. The caller holds the lock on the transfer: a socket that nobody listens at is
  /// replaced. Throws Error{failed}: another process listens there, /proc is not mounted.
  ControlSocket(boost::asio::io_context& io, const Destination& destination, const std::string& tag,
                Handler& handler);
  /// Removes the socket; lets everybody go.
  ~ControlSocket();

  /// To all controllers.
  void tell(std::string_view json);
  void resume();
  /// For the end: calls `done` when everybody has been sent what waits for them, after a second at
  /// most. When nobody ever came, after `patience`, or as soon as one who came has been told.
  void drain(std::chrono::nanoseconds patience, std::function<void()> done);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace murder::node
