// Magnet links: read, or refused with an Error; what is read survives being written.
#include "base/error.hpp"
#include "bittorrent/magnet.hpp"
#include "harness.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const murder::Magnet magnet = murder::parse_magnet(murder::fuzz::as_text(data, size));
    murder::fuzz::must_hold(murder::parse_magnet(magnet.to_string()) == magnet);
  } catch (const murder::Error&) {
  }
  return 0;
}
