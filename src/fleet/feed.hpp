// Sends a host, over its ssh session, the pieces that it lacks: the origin at the start of a
// deploy, another host when the origin has died, one that the swarm cannot reach.
//
// The host's transfer says of each piece that it is written (docs/control-socket.md); so much is
// under way as half a second carries, so that orders for the same host never wait long behind it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "fleet/fleet.hpp"
#include "fleet/payload.hpp"
#include "swarm/bitfield.hpp"

namespace murder::fleet {

/// What is read here is no more what was packed.
class PayloadChanged : public Error {
 public:
  using Error::Error;
};

class Feed {
 public:
  /// `elsewhere`: the pieces that the swarm has already and will bring without our help; may grow
  /// meanwhile.
  Feed(Fleet& fleet, const Payload& payload, Member& member, const swarm::Bitfield& elsewhere);
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  /// Until the host has every piece, wherever from, or stop(). Throws Error: unreachable (session
  /// lost), failed (a full disk there); PayloadChanged.
  boost::asio::awaitable<void> run();
  /// run() returns soon.
  void stop();
  /// What the transfer there says.
  void heard(const orders::Frame& frame);
  std::uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  struct UnderWay {
    std::uint32_t bytes;
    Instant sent_at;
  };
  boost::asio::awaitable<swarm::Bitfield> ask_have();
  boost::asio::awaitable<void> send(PieceIndex piece);
  std::vector<std::uint8_t> read(PieceIndex piece) const;
  void acknowledged(PieceIndex piece);
  bool may_send(std::uint32_t bytes) const;
  void check() const;

  Fleet& fleet_;
  const Payload& payload_;
  Member& member_;
  std::shared_ptr<Session> session_;  ///< a later one of the member is fed by another Feed
  const swarm::Bitfield& elsewhere_;
  Condition condition_;
  std::map<PieceIndex, UnderWay> under_way_;
  std::uint64_t under_way_bytes_ = 0;
  std::uint64_t window_bytes_;
  std::uint64_t since_change_bytes_ = 0;
  std::uint64_t sent_bytes_ = 0;
  std::optional<swarm::Bitfield> have_;
  std::string problem_;
  bool stopped_ = false;
};

/// What a transfer answers when it is asked what it has; nullopt when this is no such answer.
std::optional<swarm::Bitfield> parse_have(const orders::Frame& frame, std::uint32_t pieces);

}  // namespace murder::fleet
