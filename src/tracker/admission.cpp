#include "tracker/admission.hpp"

#include <algorithm>

namespace murder::tracker {
namespace {

bool is_in(const std::vector<AddressRange>& ranges, const IpAddress& address) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const AddressRange& range) { return range.contains(address); });
}

}  // namespace

std::string Admission::refusal(const AnnounceRequest& request, const IpAddress& remote) const {
  for (const IpAddress& address : {remote, request.ip.value_or(remote)})
    if (is_in(banned, address) || (!allowed.empty() && !is_in(allowed, address)))
      return "this tracker does not serve " + address.to_string();
  if (torrents && !torrents->contains(request.info_hash))
    return "this tracker does not serve the torrent " + request.info_hash.hex();
  return {};
}

}  // namespace murder::tracker
