// What an engine knows of one link.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <vector>

#include "base/digest.hpp"
#include "base/endpoint.hpp"
#include "base/units.hpp"
#include "bittorrent/wire.hpp"
#include "swarm/bitfield.hpp"

namespace murder::swarm {

/// murder peers answer requests of up to this many bytes; stock clients are asked for 16 KiB.
inline constexpr std::uint32_t murder_block_bytes = 128 * 1024;

/// "-MU", the beginning of every murder peer id (BEP 20).
bool is_murder(const PeerId& id);

struct Link {
  LinkId id;
  Endpoint remote;
  PeerId peer_id;
  bool murder = false;
  bool fast = false;
  bool extensions = false;
  bool outgoing = false;

  // What they have and what they were told.
  Bitfield theirs;
  Bitfield told;
  std::vector<PieceIndex> untold;  ///< verified of late; said with the next message or block

  // Choking and interest; murder peers are never choked.
  bool they_choke = true;
  bool we_choke = true;
  bool we_are_interested = false;
  bool they_are_interested = false;

  // Download.
  struct Outstanding {
    wire::Block block;
    Instant asked_at;
    bool arriving = false;
    bool accepted = false;  ///< arriving into its piece, not thrown away
  };
  std::deque<Outstanding> outstanding;
  std::optional<PieceIndex> begun;    ///< asked for in part: gone on with before anything new
  std::uint64_t arriving_bytes = 0;   ///< of the block that is arriving, here already
  std::deque<wire::Block> cancelled;  ///< may still arrive
  std::uint64_t outstanding_bytes = 0;
  std::uint32_t block_bytes = 16 * 1024;  ///< to ask for at a time
  double rate = 0;                        ///< bytes a second while something is asked for, smoothed
  Duration round_trip{};                  ///< the smallest that the network below has seen
  Instant last_data{};
  Instant last_block_end{};
  bool snubbed = false;    ///< stalled; asked for one block at a time until it moves
  Instant ask_again_at{};  ///< a stalled link is tried again from then on, or when it says anything
  std::uint64_t downloaded = 0;
  std::uint64_t unasked_bytes = 0;

  // Upload.
  std::uint32_t progress = 0;  ///< of theirs, in progress steps
  std::uint32_t upload_rank = 0;
  std::deque<wire::Block> upload;
  std::uint64_t uploaded = 0;
  double upload_rate = 0;  ///< bytes a second, smoothed over about 100 ms
  std::uint64_t uploaded_since = 0;
  Instant upload_measured_at{};

  // Extensions (BEP 10): under which ids they take them; 0: not at all.
  std::uint8_t ut_metadata = 0;
  std::uint8_t ut_pex = 0;
  std::uint16_t listen_port = 0;     ///< as they say; 0: not said
  std::uint32_t metadata_given = 0;  ///< pieces
  std::uint32_t metadata_refused = 0;
  std::set<Endpoint> pex_told;
  std::optional<Instant> pex_said_at;
  std::optional<Instant> pex_heard_at;
  std::uint32_t pex_taken = 0;  ///< peers that it named

  Instant last_heard{};
  Instant last_said{};

  /// They want nothing: they have everything, or say so (BEP 21). Pieces that we have are not
  /// announced to us, so `theirs` alone does not tell.
  bool upload_only = false;
  bool complete() const { return upload_only || theirs.all(); }
};

}  // namespace murder::swarm
