// What the harnesses share: the input as text, and a check that no build type leaves out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace murder::fuzz {

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Stops the fuzzer, which keeps the input that broke the promise.
inline void must_hold(bool promise) {
  if (!promise) std::abort();
}

}  // namespace murder::fuzz
