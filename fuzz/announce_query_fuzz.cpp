// The query of an announce, as a tracker gets it from anyone: what is accepted survives being
// written and read again. Trackers' URLs, which users and torrents give, go the same way.
#include "base/error.hpp"
#include "bittorrent/announce.hpp"
#include "harness.hpp"

using murder::fuzz::must_hold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = murder::fuzz::as_text(data, size);
  try {
    const murder::AnnounceRequest request = murder::parse_announce_query(input);
    must_hold(request.port != 0);
    must_hold(murder::parse_announce_query(murder::to_query(request)) == request);
  } catch (const murder::Error& error) {
    must_hold(error.kind() == murder::ErrorKind::usage);
  }
  try {
    const std::string url = murder::parse_tracker_url(input).to_string();
    must_hold(murder::parse_tracker_url(url).to_string() == url);
  } catch (const murder::Error& error) {
    must_hold(error.kind() == murder::ErrorKind::usage);
  }
  return 0;
}
