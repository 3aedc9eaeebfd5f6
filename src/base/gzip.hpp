// gzip (RFC 1952), through zlib: the form in which the static binary travels, since every Linux has
// a gzip to unpack it with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace murder {

/// The same content gives the same bytes: no time, no name. Level 1 to 9; 9 takes about 0.1 s a
/// megabyte.
std::string gzip(std::string_view content, int level = 9);

/// What gzip() was given; nullopt when it is damaged, cut short, followed by anything, or would
/// come to more than `limit` bytes.
std::optional<std::string> gunzip(std::string_view compressed, std::uint64_t limit = 1ull << 30);

}  // namespace murder
