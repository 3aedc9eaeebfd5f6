// What the controllers of a running transfer are told and may ask: docs/control-socket.md.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "base/endpoint.hpp"
#include "base/units.hpp"
#include "events/event.hpp"
#include "node/control_socket.hpp"
#include "swarm/bitfield.hpp"

namespace murder::node {

/// Where a transfer stands, as a controller that comes is told first.
struct TransferState {
  std::string tag;
  InfoHash info_hash;
  std::uint64_t size_bytes = 0;
  std::uint64_t have_bytes = 0;
  std::uint32_t pieces = 0;
  std::uint32_t have_pieces = 0;
  std::string_view state;  ///< "fetching", "complete", "staged" or "failed"
  bool seeder = false;
  std::optional<Endpoint> listening;
};

/// Passes events on, to whom they are for and to all controllers, and takes controllers' orders.
/// Everything on the loop's thread.
class TransferControl final : public events::EventSink, private ControlSocket::Handler {
 public:
  /// The transfer itself. Errors are thrown and become a controller's answer.
  class Transfer {
   public:
    virtual ~Transfer() = default;
    virtual TransferState state() const = 0;
    virtual swarm::Bitfield have() const = 0;
    virtual void feed(PieceIndex piece, std::vector<std::uint8_t> bytes,
                      std::function<void(std::exception_ptr)> done) = 0;
    virtual bool feed_is_full() const = 0;
    virtual void add_tracker(const std::string& url) = 0;
    /// Lingers no longer than until it is complete and staged.
    virtual void finish() = 0;
    /// Gives up now, keeping what is there.
    virtual void give_up() = 0;
  };

  /// Listens at once; as ControlSocket.
  TransferControl(boost::asio::io_context& io, const Destination& destination,
                  const std::string& tag, Transfer& transfer, events::EventSink& events);

  void emit(const events::Event& event) override;
  /// For controllers alone: what ended the transfer.
  void tell_error(const std::exception_ptr& error);
  /// The transfer is over. Calls `done` when all who listen know how it ended; when nobody ever
  /// came to listen, somebody may still do so for some seconds.
  void drain(std::function<void()> done);

 private:
  std::vector<std::string> greeting() override;
  void on_order(orders::Frame order, ControlSocket::Answer answer) override;
  bool is_full() const override { return transfer_.feed_is_full(); }
  void remember(const events::Event& event, const std::string& line);
  void take_piece(std::optional<std::uint64_t> piece, std::vector<std::uint8_t> bytes,
                  const ControlSocket::Answer& answer);

  Transfer& transfer_;
  events::EventSink& events_;
  std::deque<std::string> warnings_;  ///< the latest, as lines
  std::vector<std::string> past_;     ///< what a controller that comes late has to know, as lines
  std::string tracker_;               ///< the last thing known of it, as a line
  ControlSocket socket_;
};

}  // namespace murder::node
