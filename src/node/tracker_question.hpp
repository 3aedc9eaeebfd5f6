// Announces on their way to trackers: over HTTP or UDP, as their URLs have it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/endpoint.hpp"
#include "base/log.hpp"
#include "base/units.hpp"
#include "bittorrent/announce.hpp"
#include "net/http.hpp"
#include "net/udp_announce.hpp"

namespace murder::node {

struct TrackerAnswer {
  AnnounceReply reply;
  /// Empty: `reply` counts. The tracker's own words, or what is wrong with it or on the way to it.
  std::string problem;
};

/// One announce under way. Destroying it cancels; its callback is then never called.
class TrackerQuestion {
 public:
  /// Called once, from the loop; may destroy the question.
  using Callback = std::function<void(const TrackerAnswer&)>;

 private:
  friend class TrackerClient;
  std::unique_ptr<net::HttpGet> http_;
  std::unique_ptr<net::UdpAnnounce> udp_;
};

/// Who announces, from one address. Belongs to the loop's thread.
class TrackerClient {
 public:
  /// `from`: the address to ask from; unspecified: any.
  TrackerClient(boost::asio::io_context& io, const IpAddress& from);
  /// `timeout` is for all of it. Over UDP no more is said than stock clients say. Throws
  /// Error{usage} for what is no tracker's URL.
  std::unique_ptr<TrackerQuestion> ask(const std::string& tracker, const AnnounceRequest& request,
                                       Duration timeout, TrackerQuestion::Callback callback);

 private:
  boost::asio::io_context& io_;
  IpAddress from_;
  std::shared_ptr<net::UdpTrackerMemory> udp_memory_;
};

/// Throws Error{usage} for what is no tracker's URL, or one that this program cannot ask.
void check_tracker_url(const std::string& tracker);

/// Those of `trackers` that can be announced to, in their order; of the others the log tells.
/// `source`: what names them, "the torrent".
std::vector<std::string> usable_trackers(const std::vector<std::string>& trackers,
                                         std::string_view source, Log& log);

}  // namespace murder::node
