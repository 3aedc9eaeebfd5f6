// An announce on its way to a tracker.
#pragma once

#include <string>

#include "base/endpoint.hpp"
#include "base/units.hpp"
#include "bittorrent/announce.hpp"
#include "net/http.hpp"

namespace murder::node {

/// `from`: the address to ask from; unspecified: any. Throws Error{usage} for a URL of another kind
/// than http.
net::HttpGet::Options tracker_question(const std::string& tracker, const AnnounceRequest& request,
                                       Duration timeout, const IpAddress& from);

}  // namespace murder::node
