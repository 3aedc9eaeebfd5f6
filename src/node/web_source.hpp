// A web seed as a place to fetch from (BEP 19): its URLs for one payload, and what its answers
// mean.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_url.hpp"
#include "base/units.hpp"
#include "bittorrent/metainfo.hpp"
#include "net/http.hpp"
#include "swarm/web_seeds.hpp"

namespace murder::node {

/// Where the file `path` of a payload lies, or the payload that is one file (`path` is then its
/// name): a URL that ends in a slash is a folder that holds it, any other is the file itself.
/// Throws Error{usage} for what cannot be fetched from.
HttpUrl web_seed_url(const std::string& url, std::string_view path);
/// Throws as web_seed_url() when `url` does not do for this torrent; one of several files needs a
/// folder, and is asked below that for NAME/PATH. All URLs are tried, for one may be too long.
void check_web_seed(const std::string& url, const Metainfo& metainfo);

/// Fit for logs: without its query, which may be a signature.
std::string shown_web_seed(const std::string& url);

/// A range of the payload, in bytes.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t length = 0;
  std::string to_header() const;  ///< "bytes=0-99"
};

/// What of a range lies in one file.
struct WebPart {
  HttpUrl url;
  ByteRange range;          ///< in that file
  std::uint64_t total = 0;  ///< bytes of that file
  std::string file;         ///< for messages: its path; empty: the payload is one file
  bool is_padding = false;  ///< zeros, for which nobody is asked
};

/// Where a range of the payload lies, in order. `url` passes check_web_seed().
std::vector<WebPart> web_parts(const std::string& url, const Metainfo& metainfo,
                               const ByteRange& range);

struct WebAnswer {
  swarm::WebOutcome outcome = swarm::WebOutcome::came;
  Duration retry_after{};  ///< zero: not said
  std::string reason;      ///< empty when it came
};

/// What the answer to a request for `range` of a file of `total` bytes means. What came is of the
/// right length; whether it is the right data is another matter. `now_s`: seconds since 1970.
WebAnswer judge_web_answer(const net::HttpResult& result, const ByteRange& range,
                           std::uint64_t total, std::int64_t now_s);

}  // namespace murder::node
