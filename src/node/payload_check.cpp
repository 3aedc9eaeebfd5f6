#include "node/payload_check.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace murder::node {

void check_payload(const Metainfo& metainfo, const Payload& payload) {
  const swarm::Bitfield have = find_pieces(metainfo, payload.fd(), payload.path());
  if (have.all()) return;
  std::uint32_t first = 0;
  while (have.test(PieceIndex(first))) ++first;
  throw Error(
      ErrorKind::integrity,
      fmt::format("{} does not match its torrent: {} of {} pieces are wrong, the first at byte "
                  "{}; make the torrent anew, or seed the file that it was made from",
                  printable(payload.path().native()), metainfo.piece_count() - have.count(),
                  metainfo.piece_count(), metainfo.piece_offset(PieceIndex(first))));
}

}  // namespace murder::node
