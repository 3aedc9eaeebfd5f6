// Packets as they come from a UDP tracker, or from anyone who guesses where we listen for it: one
// is decoded on its own, and then a whole exchange is fed with packets cut from the input, of which
// some are made to be answers to what was asked last.
#include "bittorrent/udp_exchange.hpp"
#include "harness.hpp"

using murder::fuzz::must_hold;
namespace udp_tracker = murder::udp_tracker;

namespace {

void decode(std::string_view packet, bool over_v6) {
  const udp_tracker::Reply reply = udp_tracker::decode_reply(packet, over_v6);
  must_hold(reply.transaction.has_value() == (packet.size() >= 8));
  const auto* announced = std::get_if<murder::AnnounceReply>(&reply.body);
  if (announced == nullptr) return;
  must_hold(announced->peers.size() <= packet.size() / (over_v6 ? 18 : 6));
  for (const murder::AnnouncedPeer& peer : announced->peers) must_hold(peer.endpoint.port != 0);
}

void exchange(std::string_view input, bool over_v6) {
  murder::Random random(1);
  murder::Instant now{};
  udp_tracker::Exchange exchange({{}, 1, "/announce", over_v6}, std::nullopt, random, now);
  std::string asked;
  while (input.size() >= 2 && !exchange.done()) {
    if (const auto packet = exchange.take_due(now)) asked = *packet;
    const bool is_answer = (input[0] & 1) != 0;
    const std::size_t size = static_cast<std::uint8_t>(input[1]);
    now += std::chrono::seconds(input[0] & 0x1e);
    input.remove_prefix(2);
    std::string packet(input.substr(0, size));
    input.remove_prefix(packet.size());
    if (is_answer && packet.size() >= 8 && asked.size() >= 16) packet.replace(4, 4, asked, 12, 4);
    exchange.on_packet(packet, now);
  }
  must_hold(exchange.done() || exchange.problem().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input = murder::fuzz::as_text(data, size);
  const bool over_v6 = (input.front() & 1) != 0;
  decode(input.substr(1), over_v6);
  exchange(input.substr(1), over_v6);
  return 0;
}
