// Web seeds (BEP 19): when to ask an HTTP server for which pieces. No I/O.
//
// A server is for what no peer can give, and a fleet of a thousand takes about one copy of it from
// there, not a thousand. Nobody tells the hosts who is to ask for what: each piece has an order of
// hosts, by a digest of host and piece, the same for everybody who would compute it. A host asks
// for what it is first for, and for more only when nothing at all has come for a while, so that
// those before it seem to be gone. In a large fleet most hosts do not ask at all for the first ten
// seconds. Whatever comes goes on from host to host as any piece does.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/digest.hpp"
#include "base/random.hpp"
#include "base/units.hpp"
#include "swarm/geometry.hpp"
#include "swarm/picker.hpp"

namespace murder::swarm {

/// Pieces that follow one another, to be fetched by one request.
struct WebFetch {
  std::size_t source = 0;  ///< by the order in which web seeds were named
  PieceIndex first;
  std::uint32_t count = 0;
  friend bool operator==(const WebFetch&, const WebFetch&) = default;
};

enum class WebOutcome : std::uint8_t {
  came,     ///< what was asked for, all that was right of it was handed over
  busy,     ///< no answer, 5xx, 429: asked again after 1 s, 2 s … 60 s
  refused,  ///< other answers, 404 or another file: asked again after 15 s, 30 s … 10 min
  wrong,    ///< data that does not match, or no ranges: never asked again
};

class WebSeeds {
 public:
  /// `sources`: how many there are. `single`: one piece a request, for those whose rate is limited.
  WebSeeds(std::size_t sources, const Geometry& geometry, const PeerId& self, bool single,
           Random random);

  /// A peer gives something, or was asked for it: until then nobody has waited in vain.
  void busy(Instant now) { last_busy_ = now; }

  struct Situation {
    std::uint32_t waiting_hosts = 1;  ///< that lack something, ourselves included
    bool alone = false;               ///< not one link, and none to come as far as anybody knows
    bool somebody_may_help = false;   ///< has it all and will give in time, or may yet turn up
  };
  /// What to fetch now; it counts as under way until ended(). `picker` knows what is missing and
  /// what peers have.
  std::optional<WebFetch> take_due(const Situation& situation, const Picker& picker, Instant now);
  /// `retry_after`: as the server said; zero: it did not.
  void ended(const WebFetch& fetch, WebOutcome outcome, Duration retry_after, Instant now);

  /// When take_due() is to be asked again; nullopt: never.
  std::optional<Instant> next_due(Instant now) const;
  /// Not one of them will ever be asked again.
  bool all_given_up() const;

 private:
  struct Source {
    std::uint32_t failures = 0;  ///< in a row
    Instant due{};
    bool under_way = false;
    bool given_up = false;
  };
  /// Pieces that are asked for together, and how far we are from being the first to ask.
  struct Group {
    std::uint32_t number = 0;
    double place = 0;  ///< in [0, 1): others of a fleet are spread evenly over it
  };

  std::optional<std::size_t> free_source(Instant now) const;
  std::optional<WebFetch> wanted_of(std::uint32_t group, const Picker& picker) const;
  bool is_wanted(PieceIndex piece, const Picker& picker) const;
  double order_of(const Group& group, std::uint32_t hosts) const;
  void raise_level(Instant now);

  Geometry geometry_;
  Random random_;
  std::vector<Source> sources_;
  std::vector<Group> groups_;  ///< in the order of their places
  std::uint32_t group_pieces_ = 1;
  double place_of_self_ = 0;  ///< among the fleet's hosts
  std::vector<WebFetch> under_way_;
  Instant last_busy_{};
  Instant level_since_{};
  /// We ask for what fewer than so many hosts are before us for.
  double level_ = 0;
  bool fed_by_web_ = false;  ///< peers were no help before, so they get little time now
};

}  // namespace murder::swarm
