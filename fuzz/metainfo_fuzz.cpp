// Torrents: what is accepted is consistent and survives being written and read again.
#include "base/error.hpp"
#include "bittorrent/metainfo.hpp"
#include "harness.hpp"

using murder::fuzz::must_hold;

namespace {

void check(const murder::Metainfo& m) {
  must_hold(!m.name.empty() && m.name != ".." && m.name.find('/') == std::string::npos);
  std::uint64_t total = 0;
  for (murder::PieceIndex i{0}; i.value() < m.piece_count(); ++i) total += m.piece_size(i);
  must_hold(total == m.length && total > 0);
  std::uint64_t offset = 0;
  for (const murder::TorrentFile& file : m.files) {
    const std::string inside = "/" + file.path + "/";
    for (const char* bad : {"//", "/./", "/../"}) must_hold(inside.find(bad) == std::string::npos);
    must_hold(inside.find('\0') == std::string::npos && file.offset == offset);
    offset += file.length;
  }
  must_hold(m.files.empty() || offset == m.length);
  must_hold(murder::parse_metainfo(murder::encode_metainfo(m), "again") == m);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = murder::fuzz::as_text(data, size);
  try {
    check(murder::parse_metainfo(input, "input"));
  } catch (const murder::Error& error) {
    must_hold(error.kind() == murder::ErrorKind::integrity ||
              error.kind() == murder::ErrorKind::failed);
  }
  try {
    check(murder::parse_info(input, "input"));
  } catch (const murder::Error&) {
  }
  return 0;
}
