// The turns of one connection. A turn is one handler of the loop: it reads what is there, tells the
// owner, and then writes whatever that led to. While one runs, the owner's calls only leave a mark;
// outside of one they ask for a turn, so that the owner is never called from inside its own call.
#include "net/peer_connection.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <utility>

#include "base/error.hpp"
#include "base/units.hpp"
#include "net/address.hpp"
#include "net/inbox.hpp"
#include "net/outbox.hpp"
#include "net/round_trip.hpp"
#include "net/socket.hpp"
#include "net/upload_turns.hpp"

namespace murder::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// TCP_NOTSENT_LOWAT: the kernel calls the socket writable while less than half of this waits
/// unsent in it, so a control message waits behind no more than this and the block under way.
/// It does not bound the rate: one connection over loopback carries more than 10 Gbit/s with it.
constexpr std::size_t unsent_limit = 32_KiB;
/// SO_RCVLOWAT within a block: on a slow link the loop is woken for so many bytes at a time instead
/// of for every packet (128 KiB at 100 Mbit/s: 4 times instead of 15). Small enough that progress
/// is still told three times a second at 1 Mbit/s.
constexpr std::size_t wake_bytes = 32_KiB;
/// Bytes each way in one turn; then the other connections get theirs.
constexpr std::size_t turn_budget = 256_KiB;
constexpr std::size_t largest_send_buffer = 4_MiB;  ///< the kernel takes what it allows of it
constexpr std::size_t control_limit = 4_MiB;

constexpr std::string_view protocol_prefix =
    "\x13"
    "BitTorrent protocol";

/// What a stranger said first, fit for a log: its first line when that is text, else hexadecimal.
std::string excerpt(std::string_view bytes) {
  bytes = bytes.substr(0, std::min<std::size_t>(bytes.size(), 40));
  const auto is_text = [](char c) { return c >= 0x20 && c < 0x7f; };
  const std::string_view line = bytes.substr(0, bytes.find_first_of("\r\n"));
  if (!line.empty() && std::all_of(line.begin(), line.end(), is_text))
    return fmt::format("\"{}\"", line);
  const std::string_view start = bytes.substr(0, 8);
  return "bytes " + to_hex(as_bytes(start));
}

}  // namespace

struct PeerConnection::Impl {
  Impl(PeerConnection& connection, tcp::socket connected, Owner& its_owner, wire::Limits its_limits,
       std::shared_ptr<UploadTurns> shared_turns, Duration timeout)
      : self(connection),
        owner(its_owner),
        socket(std::move(connected)),
        limits(its_limits),
        turns(std::move(shared_turns)),
        upload_turn([this] { ask_to_write(); }),
        handshake_timeout(timeout),
        handshake_timer(socket.get_executor()) {
    error_code ec;
    remote = from_asio(socket.remote_endpoint(ec));
    local = from_asio(socket.local_endpoint(ec));
    socket.native_non_blocking(true, ec);
    fd = socket.native_handle();
    set_socket_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_socket_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, static_cast<int>(unsent_limit));
  }
  ~Impl() { turns->end(upload_turn); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  /// A block that is coming in. No `data`: it is thrown away.
  struct Incoming {
    wire::Block block;
    std::uint8_t* data = nullptr;
    std::uint32_t received = 0;
    std::uint32_t missing() const { return block.length - received; }
    std::span<std::uint8_t> rest() const {
      return data == nullptr ? std::span<std::uint8_t>() : std::span(data + received, missing());
    }
  };

  PeerConnection& self;
  Owner& owner;
  tcp::socket socket;
  wire::Limits limits;
  std::shared_ptr<UploadTurns> turns;
  TurnQueue::Turn upload_turn;
  Duration handshake_timeout;
  asio::steady_timer handshake_timer;
  int fd = -1;
  Endpoint remote;
  Endpoint local;

  Inbox inbox;
  Outbox outbox;
  std::optional<Incoming> incoming;
  std::size_t send_buffer = 0;  ///< SO_SNDBUF as set; 0: the kernel's affair
  std::size_t low_water = 1;    ///< SO_RCVLOWAT as set
  bool handshake_seen = false;

  bool wants_upload = false;          ///< next_block() may have something
  bool writable = true;               ///< as far as we know
  std::size_t room = 0;               ///< bytes that leave it writable for certain
  bool waiting_for_writable = false;  ///< a wait is under way
  std::string lost;                   ///< why writing failed; what has come is still read

  bool in_turn = false;
  bool turn_posted = false;
  bool read_again = false;   ///< in the turn that is posted
  bool write_again = false;  ///< in the turn that is posted
  bool closed = false;
  bool silent = false;  ///< the owner has been told, or wants to hear nothing
  std::string reason;

  // Turns.

  /// A handler that does `work` and then writes, if the connection is still wanted by then.
  template <class Work>
  auto turn(Work work) {
    return [weak = self.weak_from_this(), work](const error_code& = {}) {
      const std::shared_ptr<PeerConnection> alive = weak.lock();
      if (alive && !alive->impl_->closed) alive->impl_->run_turn(work);
    };
  }

  template <class Work>
  void run_turn(Work work) {
    struct Mark {
      bool& flag;
      explicit Mark(bool& f) : flag(f) { flag = true; }
      ~Mark() { flag = false; }
    };
    {
      const Mark mark(in_turn);
      work(*this);
      write();
    }
    if (!is_over() && (read_again || write_again)) post_turn();
  }

  /// There is something to write; when the socket is full, a wait is under way already.
  void ask_to_write() {
    if (writable && lost.empty()) post_turn();
  }

  void post_turn() {
    if (in_turn || turn_posted || closed) return;
    turn_posted = true;
    asio::post(socket.get_executor(), turn([](Impl& impl) {
                 impl.turn_posted = false;
                 impl.write_again = false;
                 if (std::exchange(impl.read_again, false)) impl.read();
               }));
  }

  /// To be asked after each call of the owner: it may have closed or dropped the connection, whose
  /// one reference is then the running turn's.
  bool is_over() {
    if (!closed && self.weak_from_this().use_count() <= 1) {
      silent = true;
      shut("");
    }
    return closed;
  }

  // Reading.

  /// Never more than what is missing of the block: the next byte after that may take its time.
  void set_low_water() {
    const std::size_t best = incoming ? std::min<std::size_t>(incoming->missing(), wake_bytes) : 1;
    if (low_water <= best && low_water * 2 > best) return;
    low_water = best;
    set_socket_option(fd, SOL_SOCKET, SO_RCVLOWAT, static_cast<int>(best));
  }

  void wait_for_readable() {
    set_low_water();
    socket.async_wait(tcp::socket::wait_read, turn([](Impl& impl) { impl.read(); }));
  }

  void read() {
    std::size_t budget = turn_budget;
    for (;;) {
      const bool unwanted = incoming && incoming->data == nullptr;
      const Inbox::Received got =
          unwanted ? inbox.discard(fd, incoming->missing())
                   : inbox.receive(fd, incoming ? incoming->rest() : std::span<std::uint8_t>());
      if (got.error == EAGAIN) return lost.empty() ? wait_for_readable() : lose(lost);
      if (got.error != 0) return lose("connection lost: " + system_reason(got.error));
      if (got.ended) return lose(reason_of_end());
      if (got.block_bytes > 0) advance(static_cast<std::uint32_t>(got.block_bytes));
      if (!is_over()) read_inbox();
      if (closed) return;
      if (got.drained && lost.empty()) return wait_for_readable();
      const std::size_t bytes = got.block_bytes + got.inbox_bytes;
      if (bytes >= budget) {
        read_again = true;
        return;
      }
      budget -= bytes;
    }
  }

  /// Takes whole messages, and the beginning of a block, from what has been received.
  void read_inbox() {
    while (!closed && !inbox.unread().empty()) {
      if (incoming) {
        const std::string_view unread = inbox.unread();
        const std::size_t count = std::min<std::size_t>(unread.size(), incoming->missing());
        if (incoming->data != nullptr)
          std::memcpy(incoming->data + incoming->received, unread.data(), count);
        inbox.consume(count);
        advance(static_cast<std::uint32_t>(count));
      } else if (!handshake_seen) {
        if (!read_handshake()) return;
      } else if (!read_message()) {
        return;
      }
      if (is_over()) return;
    }
  }

  bool read_handshake() {
    const std::string_view bytes = inbox.unread();
    const auto prefix = bytes.substr(0, std::min(bytes.size(), protocol_prefix.size()));
    if (!protocol_prefix.starts_with(prefix)) {
      lose("not BitTorrent: it began with " + excerpt(bytes));
      return false;
    }
    if (bytes.size() < wire::handshake_size) return false;
    const auto handshake = wire::decode_handshake(bytes.substr(0, wire::handshake_size));
    if (!handshake) {
      lose("not BitTorrent: a handshake that cannot be read");
      return false;
    }
    inbox.consume(wire::handshake_size);
    handshake_seen = true;
    handshake_timer.cancel();
    owner.on_handshake(*handshake);
    return true;
  }

  bool read_message() {
    const wire::Decoded decoded = wire::decode(inbox.unread(), limits);
    switch (decoded.status) {
      case wire::Decoded::Status::need_more:
        return false;
      case wire::Decoded::Status::malformed:
        lose("malformed message: " + decoded.reason);
        return false;
      case wire::Decoded::Status::message:
        break;
    }
    inbox.consume(decoded.consumed);
    if (const auto* piece = std::get_if<wire::Piece>(&decoded.message))
      begin_block(piece->block);
    else
      owner.on_message(decoded.message);
    return true;
  }

  void begin_block(const wire::Block& block) {
    const std::span<std::uint8_t> place = owner.on_block_begin(block);
    if (is_over()) return;
    assert(place.empty() || place.size() == block.length);
    incoming = Incoming{block, place.size() < block.length ? nullptr : place.data()};
    if (block.length == 0) end_block();
  }

  void advance(std::uint32_t bytes) {
    incoming->received += bytes;
    owner.on_block_progress(bytes);
    if (!is_over() && incoming->missing() == 0) end_block();
  }

  void end_block() {
    const wire::Block block = incoming->block;
    incoming.reset();
    owner.on_block_end(block);
  }

  std::string reason_of_end() const {
    if (!handshake_seen) return "closed by the peer before its handshake";
    if (incoming) return "closed by the peer in the middle of a block";
    if (!inbox.unread().empty()) return "closed by the peer in the middle of a message";
    return "closed by the peer";
  }

  // Writing.

  void wait_for_writable() {
    if (waiting_for_writable) return;
    waiting_for_writable = true;
    socket.async_wait(tcp::socket::wait_write, turn([](Impl& impl) {
                        impl.waiting_for_writable = false;
                        impl.found_writable();
                      }));
  }

  void found_writable() {
    writable = true;
    room = unsent_limit / 2;
  }

  /// Whether another block may be begun: one that the kernel cannot take yet would only make the
  /// next control message wait.
  bool has_room() {
    if (room > 0) return true;
    if (is_writable(fd))
      found_writable();
    else
      writable = false;
    return writable;
  }

  void write() {
    std::size_t budget = turn_budget;
    while (!closed && writable && lost.empty()) {
      if (outbox.block()) {
        if (!write_block(budget)) break;
      } else if (outbox.control_bytes() > 0) {
        write_control();
      } else if (!wants_upload || !has_room() || !turns->may_begin(upload_turn) ||
                 !take_next_block()) {
        break;
      }
    }
    if (!closed && !writable && lost.empty()) wait_for_writable();
  }

  void write_control() {
    const std::size_t before = outbox.control_bytes();
    settle(outbox.send_control(fd));
    room -= std::min(room, before - outbox.control_bytes());
  }

  /// False when the turn's budget is spent.
  bool write_block(std::size_t& budget) {
    const std::size_t before = budget;
    const Outbox::Result result = outbox.send_block(fd, budget);
    room -= std::min(room, before - budget);
    if (result == Outbox::Result::done) {
      const wire::Block block = outbox.block()->block;
      outbox.clear_block();
      owner.on_block_sent(block);
      if (is_over()) return false;
    }
    settle(result);
    write_again = budget == 0 && writable;
    return !write_again;
  }

  bool take_next_block() {
    wants_upload = false;
    const std::optional<OutgoingBlock> next = owner.next_block();
    if (is_over()) return false;
    if (next) {
      wants_upload = true;
      outbox.set_block(*next);
      turns->begins(next->block.length);
      bound_send_buffer();
      return true;
    }
    turns->end(upload_turn);
    // The owner may have sent, or woken, from inside next_block().
    write_again = wants_upload || outbox.control_bytes() > 0;
    return false;
  }

  /// On a slow uplink. Set again only when it is another by a half; once set the kernel no longer
  /// sizes it, so that it has to follow the uplink when that gets faster, too.
  void bound_send_buffer() {
    if (!turns->slow() && send_buffer == 0) return;
    const std::size_t bytes =
        turns->slow() ? turns->socket_bytes(smallest_round_trip(fd)) : largest_send_buffer;
    if (bytes * 2 < send_buffer * 3 && bytes * 3 > send_buffer * 2) return;
    set_socket_option(fd, SOL_SOCKET, SO_SNDBUF, static_cast<int>(bytes));
    send_buffer = bytes;
  }

  void settle(Outbox::Result result) {
    switch (result) {
      case Outbox::Result::done:
      case Outbox::Result::more:
        break;
      case Outbox::Result::blocked:
        writable = false;
        room = 0;
        break;
      case Outbox::Result::socket_lost:
        // What the peer sent before it went is read first: it may be the last block we need.
        lost = "connection lost: " + system_reason(outbox.error());
        read_again = true;
        break;
      case Outbox::Result::file_failed:
        lose(file_failure());
        break;
    }
  }

  std::string file_failure() const {
    const OutgoingBlock& failed = *outbox.block();
    return fmt::format("cannot send bytes {} to {} of piece {}: {}", failed.block.begin,
                       std::uint64_t{failed.block.begin} + failed.block.length,
                       failed.block.piece.value(),
                       outbox.error() == 0 ? "the file is shorter" : system_reason(outbox.error()));
  }

  // Ending.

  void shut(const std::string& why) {
    if (closed) return;
    closed = true;
    turns->end(upload_turn);
    reason = why;
    if (!outbox.block() && outbox.control_bytes() > 0 && lost.empty()) outbox.send_control(fd);
    error_code ignored;
    socket.close(ignored);
    handshake_timer.cancel();
    incoming.reset();
  }

  /// For what happens to the connection; what the owner does goes through close().
  void lose(const std::string& why) {
    if (closed) return;
    shut(why);
    asio::post(socket.get_executor(), [weak = self.weak_from_this()] {
      if (const auto alive = weak.lock()) alive->impl_->tell_closed();
    });
  }

  void tell_closed() {
    if (!std::exchange(silent, true)) owner.on_closed(reason);
  }
};

std::shared_ptr<PeerConnection> PeerConnection::create(tcp::socket socket, Owner& owner,
                                                       wire::Limits limits,
                                                       std::shared_ptr<UploadTurns> turns,
                                                       Duration handshake_timeout) {
  return std::shared_ptr<PeerConnection>(
      new PeerConnection(std::move(socket), owner, limits, std::move(turns), handshake_timeout));
}

PeerConnection::PeerConnection(tcp::socket socket, Owner& owner, wire::Limits limits,
                               std::shared_ptr<UploadTurns> turns, Duration handshake_timeout)
    : impl_(std::make_unique<Impl>(*this, std::move(socket), owner, limits, std::move(turns),
                                   handshake_timeout)) {}

PeerConnection::~PeerConnection() = default;

void PeerConnection::start() {
  if (impl_->closed) return;
  impl_->handshake_timer.expires_after(impl_->handshake_timeout);
  impl_->handshake_timer.async_wait([weak = weak_from_this()](const error_code& ec) {
    const auto alive = weak.lock();
    if (!ec && alive && !alive->impl_->handshake_seen)
      alive->impl_->lose("no handshake within " + timeout_text(alive->impl_->handshake_timeout));
  });
  impl_->wait_for_readable();
}

void PeerConnection::send_handshake(const wire::Handshake& handshake) {
  if (impl_->closed) return;
  impl_->outbox.append(wire::encode_handshake(handshake));
  impl_->ask_to_write();
}

void PeerConnection::send(const wire::Message& message) {
  if (impl_->closed) return;
  impl_->outbox.append(message);
  if (impl_->outbox.control_bytes() > control_limit)
    return impl_->lose("the peer does not read: 4 MiB of messages wait for it");
  impl_->ask_to_write();
}

void PeerConnection::wake_upload() {
  if (std::exchange(impl_->wants_upload, true)) return;
  impl_->ask_to_write();
}

void PeerConnection::rank_upload(std::uint32_t rank) { impl_->upload_turn.set_rank(rank); }

void PeerConnection::close(const std::string& reason) {
  if (impl_->silent) return;
  impl_->shut(reason);
  asio::post(impl_->socket.get_executor(),
             [alive = shared_from_this()] { alive->impl_->tell_closed(); });
}

void PeerConnection::abandon() {
  impl_->silent = true;
  impl_->shut("");
}

Endpoint PeerConnection::remote() const { return impl_->remote; }
Endpoint PeerConnection::local() const { return impl_->local; }

Duration PeerConnection::round_trip() const {
  return impl_->closed ? Duration::zero() : smallest_round_trip(impl_->fd);
}

}  // namespace murder::net
