// The query part of a URL as trackers' clients write it: percent-encoded, "&" between pairs.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace murder {

/// Everything but RFC 3986's unreserved characters as %XX.
std::string percent_encode(std::string_view bytes);

/// Throws Error{usage} naming `key` when a "%" is not followed by two hexadecimal digits. "+" is
/// itself, not a space: BitTorrent clients do not encode forms.
std::string percent_decode(std::string_view text, std::string_view key);

/// Key and still encoded value of each pair, in order; a pair without "=" has an empty value.
std::vector<std::pair<std::string_view, std::string_view>> split_query(std::string_view query);

}  // namespace murder
