#include "node/tracker_question.hpp"

namespace murder::node {

net::HttpGet::Options tracker_question(const std::string& tracker, const AnnounceRequest& request,
                                       Duration timeout, const IpAddress& from) {
  const TrackerUrl url = parse_tracker_url(tracker);
  net::HttpGet::Options options;
  options.host = url.host;
  options.port = url.port;
  const char separator = url.target.find('?') == std::string::npos ? '?' : '&';
  options.target = url.target + separator + to_query(request);
  options.timeout = timeout;
  options.bind_address = from;
  return options;
}

}  // namespace murder::node
