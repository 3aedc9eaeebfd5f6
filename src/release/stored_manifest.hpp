// A manifest as encode_manifest() makes it, without the compressor: what hosts write of releases
// that are one file. Otherwise the compressor would be a tenth of the program for hosts.
#pragma once

#include <string>

#include "release/manifest.hpp"

namespace murder {

/// For decode_manifest(): one zstd frame that is not compressed. For a few entries.
std::string store_manifest(const Manifest& manifest);

}  // namespace murder
