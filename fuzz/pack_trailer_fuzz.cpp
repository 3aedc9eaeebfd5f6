// A pack's last bytes: what is accepted points at a manifest that ends where the trailer begins,
// and is written again as the same bytes.
#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "harness.hpp"
#include "release/trailer.hpp"

using murder::fuzz::must_hold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input = murder::fuzz::as_text(data, size);
  std::uint64_t pack_size = 0;
  std::memcpy(&pack_size, input.data(), std::min(input.size(), sizeof pack_size));
  input.remove_prefix(std::min(input.size(), sizeof pack_size));
  try {
    const murder::Trailer trailer = murder::decode_trailer(input, pack_size, "input");
    must_hold(trailer.manifest_offset >= 8 && trailer.manifest_offset < pack_size);
    must_hold(pack_size - trailer.manifest_offset == trailer.manifest_length + 72);
    must_hold(murder::encode_trailer(trailer) == input);
  } catch (const murder::Error& error) {
    must_hold(error.kind() == murder::ErrorKind::integrity);
  }
  return 0;
}
