// The manifest's body: what lies in the zstd frame that encode_manifest makes. Apart from the
// compression, so that a fuzzer reaches the parser. docs/pack-format.md has the layout.
#pragma once

#include <string>
#include <string_view>

#include "release/manifest.hpp"

namespace murder {

/// A manifest has exactly one body: decode_manifest_body of it gives the manifest back.
std::string encode_manifest_body(const Manifest& manifest);
/// Throws Malformed with what is wrong, for all that decode_manifest refuses.
Manifest decode_manifest_body(std::string_view body);

}  // namespace murder
