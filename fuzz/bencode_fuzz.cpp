// Bencode: every value lies inside the input, strict input is accepted relaxed too and as the same
// bytes, and an error's offset is inside the input.
#include "bittorrent/bencode.hpp"
#include "harness.hpp"

using murder::bencode::ParseOptions;
using murder::bencode::Value;
using murder::fuzz::must_hold;

namespace {

void walk(const Value& value, std::string_view input) {
  must_hold(value.raw().data() >= input.data() &&
            value.raw().data() + value.raw().size() <= input.data() + input.size());
  if (value.list())
    for (const Value& item : *value.list()) walk(item, value.raw());
  if (value.dictionary())
    for (const auto& [key, member] : *value.dictionary()) {
      must_hold(value.find(key) == &member);
      walk(member, value.raw());
    }
}

bool accepts(std::string_view input, bool sorted) {
  ParseOptions options;
  options.require_sorted_keys = sorted;
  try {
    walk(murder::bencode::parse(input, options), input);
    must_hold(murder::bencode::parse_prefix(input, options).raw() == input);
    return true;
  } catch (const murder::bencode::SyntaxError& error) {
    must_hold(error.offset() <= input.size());
    return false;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = murder::fuzz::as_text(data, size);
  if (accepts(input, true)) must_hold(accepts(input, false));
  accepts(input, false);
  return 0;
}
