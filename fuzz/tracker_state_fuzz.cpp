// A tracker's file of state: what is accepted survives being written and read again, and a tracker
// that begins with it has just that.
#include "base/error.hpp"
#include "harness.hpp"
#include "tracker/registry.hpp"

using murder::fuzz::must_hold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace murder::tracker;
  try {
    const RegistryState state = parse_state(murder::fuzz::as_text(data, size), "input");
    must_hold(parse_state(encode_state(state), "again") == state);
    Registry registry({}, murder::Random(1));
    const murder::Instant now{std::chrono::hours(1)};
    registry.restore(state, now);
    registry.swarms(now);
    registry.expire(now + std::chrono::hours(3));
  } catch (const murder::Error& error) {
    must_hold(error.kind() == murder::ErrorKind::failed);
  }
  return 0;
}
