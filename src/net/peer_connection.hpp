// One BitTorrent connection: a non-blocking socket on one side, messages and blocks on the other.
//
// Blocks are received straight into the memory that the owner names and sent with sendfile(2) from
// the owner's file, so that hardly any payload is copied here. Control messages go out between
// blocks, never behind a queue of them: TCP_NOTSENT_LOWAT keeps the kernel's share of the queue
// short, and the next block is asked for only when the socket can take it. Owned by the loop's
// thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/endpoint.hpp"
#include "base/file.hpp"
#include "base/port_range.hpp"
#include "bittorrent/wire.hpp"

namespace murder::net {

class UploadTurns;

/// A block to send: the file and where it lies in it; or, when it lies in no one file, its bytes.
struct OutgoingBlock {
  wire::Block block;
  int fd = -1;
  std::uint64_t file_offset = 0;
  std::shared_ptr<const UniqueFd> held = {};  ///< keeps fd open; none: it outlives the connection
  std::shared_ptr<const std::string> bytes = {};  ///< instead of the file
};

class PeerConnection : public std::enable_shared_from_this<PeerConnection> {
 public:
  /// What happens on a connection. Any of these may call send(), wake_upload(), close() or
  /// abandon(), and may drop the connection. on_closed comes last, once, never from inside another
  /// call of this class's public functions.
  class Owner {
   public:
    virtual ~Owner() = default;
    /// The peer's first 68 bytes, on either side's connections, before anything else. On an
    /// incoming one they tell which swarm, and the owner answers with send_handshake().
    virtual void on_handshake(const wire::Handshake& handshake) = 0;
    virtual void on_message(const wire::Message& message) = 0;
    /// A piece header came. Returns where its data belongs: block.length bytes, not touched after
    /// on_block_end, on_closed or a call of close() or abandon(). An empty span has the data thrown
    /// away; on_block_progress and on_block_end follow all the same.
    virtual std::span<std::uint8_t> on_block_begin(const wire::Block& block) = 0;
    /// `bytes` more of the current block have come: a slow link is not a dead one.
    virtual void on_block_progress(std::uint32_t bytes) = 0;
    virtual void on_block_end(const wire::Block& block) = 0;
    /// Asked after wake_upload(), until it returns nullopt: nothing to send now. The socket can
    /// take more and no control message waits.
    virtual std::optional<OutgoingBlock> next_block() = 0;
    /// All of that block has been handed to the kernel.
    virtual void on_block_sent(const wire::Block& block) = 0;
    virtual void on_closed(const std::string& reason) = 0;
  };

  /// A connected socket (accepted, or from Dial), whose io_context it stays on and does not
  /// outlive. `turns`: one for all of the process's connections. `owner` is called until on_closed
  /// or abandon(). A peer whose handshake does not come in time is closed. The process has called
  /// ignore_sigpipe() (net/signals.hpp).
  static std::shared_ptr<PeerConnection> create(
      boost::asio::ip::tcp::socket socket, Owner& owner, wire::Limits limits,
      std::shared_ptr<UploadTurns> turns, Duration handshake_timeout = std::chrono::seconds(10));
  /// Dropping the last reference is abandon(), unless close() came before.
  ~PeerConnection();

  /// Starts reading. Call once, after the owner has stored the pointer.
  void start();
  void send_handshake(const wire::Handshake& handshake);
  /// Queued, and written at the end of the current turn of the loop (several messages, one system
  /// call). A peer that lets 4 MiB of them wait is closed.
  void send(const wire::Message& message);
  /// next_block() has something now.
  void wake_upload();
  /// Of the connections that share its turns, those of the lowest rank go first. 0 at the start.
  void rank_upload(std::uint32_t rank);
  /// What send() has queued is offered to the socket once more, unless a block is half sent; then
  /// nothing is read or written any more. on_closed(reason) follows from the loop, also when the
  /// owner drops the connection meanwhile. Idempotent: the first reason stays.
  void close(const std::string& reason);
  /// As close(), but the owner hears nothing more: it is going away.
  void abandon();

  /// As they were when the connection was made.
  Endpoint remote() const;
  Endpoint local() const;
  /// The smallest that the kernel has seen; zero when not known.
  Duration round_trip() const;

 private:
  PeerConnection(boost::asio::ip::tcp::socket socket, Owner& owner, wire::Limits limits,
                 std::shared_ptr<UploadTurns> turns, Duration handshake_timeout);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Listens for peers: on the first free one of `ports`, or where none is named of 8999..9029 (then
/// any). `::` takes IPv4 too. The accepted sockets are non-blocking and not inherited by child
/// processes. Throws Error{failed} "cannot listen on ADDR:PORT: …".
class PeerListener {
 public:
  using OnAccept = std::function<void(boost::asio::ip::tcp::socket)>;
  PeerListener(boost::asio::io_context& io, const IpAddress& address, const PortRange& ports,
               OnAccept on_accept);
  ~PeerListener();
  Endpoint local_endpoint() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// One outgoing connection attempt. Destroying it cancels; the callback is then never called. The
/// callback comes once, from the loop, and may destroy the Dial.
class Dial {
 public:
  /// `error` is empty on success, else "cannot connect to 10.0.0.1:8999: Connection refused" or
  /// "…: no answer within 3 s".
  using Callback = std::function<void(boost::asio::ip::tcp::socket socket, std::string error)>;
  /// `bind_address` unspecified: the kernel picks.
  Dial(boost::asio::io_context& io, const Endpoint& remote, const IpAddress& bind_address,
       Duration timeout, Callback callback);
  ~Dial();
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace murder::net
