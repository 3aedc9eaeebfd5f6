#include "node/payload_check.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace murder::node {
namespace {

/// " (in PATH)" for torrents of several files.
std::string file_at(const Metainfo& metainfo, std::uint64_t offset) {
  for (const TorrentFile& file : metainfo.files)
    if (!file.is_padding && offset < file.offset + file.length)
      return fmt::format(" (in {})", printable(file.path, 400));
  return "";
}

}  // namespace

void check_payload(const Metainfo& metainfo, const Payload& payload, const std::stop_token& stop) {
  const swarm::Bitfield have = find_pieces(metainfo, payload, 0, stop);
  if (stop.stop_requested())
    throw Error(ErrorKind::failed,
                fmt::format("{} was not looked at to its end", printable(payload.path().native())));
  if (have.all()) return;
  std::uint32_t first = 0;
  while (have.test(PieceIndex(first))) ++first;
  const std::uint64_t offset = metainfo.piece_offset(PieceIndex(first));
  throw Error(
      ErrorKind::integrity,
      fmt::format("{} does not match its torrent: {} of {} pieces are wrong, the first at byte "
                  "{}{}; make the torrent anew, or seed {} that it was made from",
                  printable(payload.path().native()), metainfo.piece_count() - have.count(),
                  metainfo.piece_count(), offset, file_at(metainfo, offset),
                  metainfo.is_tree() ? "the files" : "the file"));
}

}  // namespace murder::node
