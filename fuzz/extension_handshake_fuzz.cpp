// The extension handshake of a peer (BEP 10): what is understood of it survives being written.
#include "bittorrent/wire.hpp"
#include "harness.hpp"

namespace wire = murder::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto said = wire::decode_extension_handshake(murder::fuzz::as_text(data, size));
  if (said)
    murder::fuzz::must_hold(
        wire::decode_extension_handshake(wire::encode_extension_handshake(*said)) == said);
  return 0;
}
