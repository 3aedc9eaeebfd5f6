// A stream of messages from a peer: decoding takes no more than there is, always moves on, and what
// is decoded encodes to something that decodes to the same.
#include "bittorrent/wire.hpp"
#include "harness.hpp"

namespace wire = murder::wire;
using murder::fuzz::must_hold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = murder::fuzz::as_text(data, size);
  if (const auto handshake = wire::decode_handshake(rest.substr(0, wire::handshake_size))) {
    must_hold(wire::decode_handshake(wire::encode_handshake(*handshake)) == handshake);
    rest.remove_prefix(wire::handshake_size);
  }
  const wire::Limits limits{.max_message_bytes = 4096, .max_block_bytes = 16384};
  for (;;) {
    const wire::Decoded decoded = wire::decode(rest, limits);
    must_hold(decoded.consumed <= rest.size());
    if (decoded.status != wire::Decoded::Status::message) return 0;
    must_hold(decoded.consumed > 0);
    std::string encoded;
    wire::append(encoded, decoded.message);
    must_hold(wire::decode(encoded, limits).message == decoded.message);
    rest.remove_prefix(decoded.consumed);
  }
}
