// An announce to a UDP tracker (BEP 15), over a socket of its own. Everything here belongs to the
// thread that runs the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/endpoint.hpp"
#include "base/random.hpp"
#include "base/units.hpp"
#include "bittorrent/announce.hpp"
#include "bittorrent/udp_exchange.hpp"

namespace murder::net {

/// What one client keeps of UDP trackers from one announce to the next.
struct UdpTrackerMemory {
  explicit UdpTrackerMemory(Random handed_in)
      : random(handed_in), key(static_cast<std::uint32_t>(random.next())) {}
  Random random;
  std::uint32_t key;  ///< by which a tracker knows a client again
  std::map<Endpoint, udp_tracker::Connection> connections;  ///< by the tracker's address
};

/// One announce in flight. Destroying it cancels; the callback is then never called. It comes once,
/// from the loop, and may destroy the UdpAnnounce. Of a name that has several addresses each is
/// tried in turn. Whatever comes from elsewhere than the tracker is not even received.
class UdpAnnounce {
 public:
  struct Options {
    std::string host;  ///< name or address
    std::uint16_t port = 0;
    std::string target;  ///< path and query of the tracker's URL; may be empty
    AnnounceRequest request;
    Duration timeout = std::chrono::seconds(10);  ///< for the whole exchange
    IpAddress bind_address;                       ///< unspecified: the kernel picks
  };
  struct Result {
    AnnounceReply reply;
    /// Empty: `reply` counts. "no answer from 10.0.0.1:6969 over UDP within 10 s", "cannot ask
    /// 10.0.0.1:6969 over UDP: Connection refused", or the tracker's own words.
    std::string problem;
  };
  using Callback = std::function<void(Result)>;
  /// `memory` is to be that of all announces of one client from one address.
  UdpAnnounce(boost::asio::io_context& io, std::shared_ptr<UdpTrackerMemory> memory,
              Options options, Callback callback);
  ~UdpAnnounce();
  UdpAnnounce(const UdpAnnounce&) = delete;
  UdpAnnounce& operator=(const UdpAnnounce&) = delete;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace murder::net
