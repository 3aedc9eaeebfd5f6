// A web seed as a place to fetch from (BEP 19): its URL for one payload, and what its answers mean.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/http_url.hpp"
#include "base/units.hpp"
#include "net/http.hpp"
#include "swarm/web_seeds.hpp"

namespace murder::node {

/// Where the payload lies: a URL that ends in a slash is a folder that holds it under its name.
/// Throws Error{usage} for what cannot be fetched from, https for one.
HttpUrl web_seed_url(const std::string& url, std::string_view payload_name);

/// Fit for logs: without its query, which may be a signature.
std::string shown_web_seed(const std::string& url);

/// A range of the payload, in bytes.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t length = 0;
  std::string to_header() const;  ///< "bytes=0-99"
};

struct WebAnswer {
  swarm::WebOutcome outcome = swarm::WebOutcome::came;
  Duration retry_after{};  ///< zero: not said
  std::string reason;      ///< empty when it came
};

/// What the answer to a request for `range` of `total` bytes means. What came is of the right
/// length; whether it is the right data is another matter. `now_s`: seconds since 1970.
WebAnswer judge_web_answer(const net::HttpResult& result, const ByteRange& range,
                           std::uint64_t total, std::int64_t now_s);

}  // namespace murder::node
