// One announce to a UDP tracker, packet by packet (BEP 15): first a connection's id, then the
// announce; what is lost is sent again; what is late, or not for us, changes nothing. No I/O: time,
// randomness and packets are handed in.
//
// BEP 15 asks again after 15, 30, 60 … seconds, and a client that has been told so may be silent
// for the better part of an hour. A deploy waits for this answer, and whoever has another tracker
// goes on to that one after ten seconds: so here it is 1, 2, 4 … seconds, as TCP waits for its own
// first answer (RFC 6298). A tracker that is down gets four packets of 16 bytes in those ten
// seconds from each host, hardly more than the SYNs that an HTTP one would.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.hpp"
#include "base/units.hpp"
#include "bittorrent/announce.hpp"
#include "bittorrent/udp_tracker.hpp"

namespace murder::udp_tracker {

/// A tracker's leave to announce, and until when we may make use of it: a minute (BEP 15).
struct Connection {
  ConnectionId id;
  Instant until;
};

class Exchange {
 public:
  struct Question {
    AnnounceRequest request;
    std::uint32_t key = 0;
    std::string target;  ///< of the tracker's URL
    bool over_v6 = false;
  };
  /// `known`: the connection that an earlier exchange with this tracker, from this address, left.
  Exchange(Question question, std::optional<Connection> known, Random& random, Instant now);

  /// What is to be sent now, if anything: a packet.
  std::optional<std::string> take_due(Instant now);
  /// When to ask take_due() again.
  Instant next_due() const { return due_; }
  /// What came from the tracker.
  void on_packet(std::string_view packet, Instant now);

  /// Nothing is to be sent any more: there is either a problem or an answer.
  bool done() const { return done_; }
  const AnnounceReply& answer() const { return answer_; }
  /// The tracker's own words, or "it sent an answer of 17 bytes to an announce"; empty: none.
  const std::string& problem() const { return problem_; }
  /// For the next exchange.
  const std::optional<Connection>& connection() const { return connection_; }

 private:
  void begin_step(Instant now);
  void end(std::string problem);

  Question question_;
  std::optional<Connection> connection_;  ///< nullopt: to be asked for
  bool is_old_ = false;                   ///< the connection is of an earlier exchange
  Random& random_;
  TransactionId transaction_;
  Instant due_;
  Duration patience_{};  ///< before what was sent last is sent again
  bool sent_ = false;    ///< in this step
  bool done_ = false;
  AnnounceReply answer_;
  std::string problem_;
};

}  // namespace murder::udp_tracker
