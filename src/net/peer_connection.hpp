// One BitTorrent connection: a non-blocking socket on one side, messages and blocks on the other.
//
// Blocks are received straight into the memory that the owner names and sent with sendfile(2) from
// the owner's file, so that this class never copies payload. Control messages go out between
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
#include "bittorrent/wire.hpp"

namespace murder::net {

/// A block to send: the file and where it lies in it. The descriptor outlives the connection.
struct OutgoingBlock {
  wire::Block block;
  int fd = -1;
  std::uint64_t file_offset = 0;
};

class PeerConnection : public std::enable_shared_from_this<PeerConnection> {
 public:
  /// What happens on a connection. Any of these may call send(), wake_upload() or close();
  /// on_closed comes last, once, never from inside another call of this class's public functions.
  class Owner {
   public:
    virtual ~Owner() = default;
    /// Incoming connections: the first 48 bytes tell which swarm; the owner answers with
    /// send_handshake().
    virtual void on_handshake(const wire::Handshake& handshake) = 0;
    virtual void on_message(const wire::Message& message) = 0;
    /// A piece header came. Returns where its data belongs (block.length bytes, alive until
    /// on_block_end or on_closed), or an empty span to have it read and thrown away.
    virtual std::span<std::uint8_t> on_block_begin(const wire::Block& block) = 0;
    /// `bytes` more of the current block have come: a slow link is not a dead one.
    virtual void on_block_progress(std::uint32_t bytes) = 0;
    virtual void on_block_end(const wire::Block& block) = 0;
    /// The socket can take more and no control message waits. nullopt: nothing to send now.
    virtual std::optional<OutgoingBlock> next_block() = 0;
    /// All of that block has been handed to the kernel.
    virtual void on_block_sent(const wire::Block& block) = 0;
    virtual void on_closed(const std::string& reason) = 0;
  };

  /// A connected socket (accepted, or from Dial).
  static std::shared_ptr<PeerConnection> create(boost::asio::ip::tcp::socket socket, Owner& owner,
                                                wire::Limits limits);
  ~PeerConnection();

  /// Starts reading. Call once, after the owner has stored the pointer.
  void start();
  void send_handshake(const wire::Handshake& handshake);
  /// Queued, and written at the end of the current turn of the loop (several messages, one system
  /// call).
  void send(const wire::Message& message);
  /// next_block() has something now.
  void wake_upload();
  /// on_closed(reason) follows from the loop. Idempotent.
  void close(const std::string& reason);
  /// As close(), but the owner hears nothing more: it is going away.
  void abandon();

  Endpoint remote() const;
  Endpoint local() const;
  /// Smoothed round trip as the kernel measures it (TCP_INFO); zero when unknown.
  Duration round_trip() const;

 private:
  PeerConnection(boost::asio::ip::tcp::socket socket, Owner& owner, wire::Limits limits);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Listens for peers: `port`, or when 0 the first free one of 8999..9029 (then any). Throws
/// Error{failed}.
class PeerListener {
 public:
  using OnAccept = std::function<void(boost::asio::ip::tcp::socket)>;
  PeerListener(boost::asio::io_context& io, const IpAddress& address, std::uint16_t port,
               OnAccept on_accept);
  ~PeerListener();
  Endpoint local_endpoint() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// One outgoing connection attempt. Destroying it cancels; the callback is then never called.
class Dial {
 public:
  /// `error` is empty on success.
  using Callback = std::function<void(boost::asio::ip::tcp::socket socket, std::string error)>;
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
