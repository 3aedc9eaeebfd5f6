// Messages of BEP 9 and BEP 11: what is understood of them survives being written.
#include "bittorrent/peer_extensions.hpp"
#include "harness.hpp"

namespace wire = murder::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = murder::fuzz::as_text(data, size);
  if (const auto message = wire::decode_metadata_message(text))
    murder::fuzz::must_hold(
        wire::decode_metadata_message(wire::encode_metadata_message(*message)) == message);
  if (const auto message = wire::decode_pex_message(text))
    murder::fuzz::must_hold(wire::decode_pex_message(wire::encode_pex_message(*message)) ==
                            message);
  return 0;
}
