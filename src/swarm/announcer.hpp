// When to announce, to which tracker, and what to do when it does not answer (BEP 3, BEP 12). No
// I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/units.hpp"
#include "bittorrent/announce.hpp"

namespace murder::swarm {

class Announcer {
 public:
  /// `trackers`: URLs in the order in which they are tried (tiers flattened); may be empty.
  explicit Announcer(std::vector<std::string> trackers);

  struct Order {
    std::string tracker;
    AnnounceEvent event = AnnounceEvent::none;
  };
  /// An announce that is due now, if any; it counts as being under way until succeeded() or
  /// failed().
  std::optional<Order> take_due(Instant now);
  std::optional<Instant> next_due() const;

  void start(Instant now);
  /// One more, asked now and before the others. An announce under way is given up: neither
  /// succeeded() nor failed() may follow for it.
  void add_first(const std::string& tracker, Instant now);
  /// `completed` is said as soon as possible.
  void complete(Instant now);
  /// Too few links: ask sooner than the interval, but not more than once a second.
  void want_peers(Instant now);
  void succeeded(const AnnounceReply& reply, Instant now);
  /// The next tracker at once; when all have failed, after 0.25 s, 0.5 s … 5 s. Never gives up.
  void failed(Instant now);

  /// There is one to ask.
  bool any() const { return !trackers_.empty(); }
  /// No tracker has answered the last announce.
  bool silent() const { return failures_ > 0; }

 private:
  std::vector<std::string> trackers_;
  std::size_t current_ = 0;
  std::uint32_t failures_ = 0;  ///< in a row
  bool started_said_ = false;
  bool complete_to_say_ = false;
  bool under_way_ = false;
  AnnounceEvent event_under_way_ = AnnounceEvent::none;
  Duration interval_ = std::chrono::seconds(1);
  Instant last_{};
  std::optional<Instant> due_;
};

}  // namespace murder::swarm
