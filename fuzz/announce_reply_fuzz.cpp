// A tracker's answer to an announce: what is accepted survives being written and read again.
#include "base/error.hpp"
#include "bittorrent/announce.hpp"
#include "harness.hpp"

using murder::fuzz::must_hold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const murder::AnnounceReply reply =
        murder::parse_announce_reply(murder::fuzz::as_text(data, size), "input");
    for (const murder::AnnouncedPeer& peer : reply.peers) must_hold(peer.endpoint.port != 0);
    // The long form keeps ids and order; compact lists sort IPv4 before IPv6, as `dial` has it.
    const std::string body = murder::encode_announce_reply(reply, false);
    const murder::AnnounceReply again = murder::parse_announce_reply(body, "again");
    must_hold(again.peers == reply.peers && again.interval_s == reply.interval_s &&
              again.failure_reason == reply.failure_reason && again.warning == reply.warning);
    must_hold(again.fleet.has_value() == reply.fleet.has_value());
  } catch (const murder::Error& error) {
    must_hold(error.kind() == murder::ErrorKind::failed);
  }
  return 0;
}
