// Scrape, both ways: the query as a tracker gets it and the answer as a client gets it.
#include "base/error.hpp"
#include "bittorrent/announce.hpp"
#include "harness.hpp"

using murder::fuzz::must_hold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = murder::fuzz::as_text(data, size);
  try {
    murder::parse_scrape_query(input);
  } catch (const murder::Error& error) {
    must_hold(error.kind() == murder::ErrorKind::usage);
  }
  try {
    const auto entries = murder::parse_scrape_reply(input, "input");
    must_hold(murder::parse_scrape_reply(murder::encode_scrape_reply(entries), "again") == entries);
  } catch (const murder::Error& error) {
    must_hold(error.kind() == murder::ErrorKind::failed);
  }
  return 0;
}
