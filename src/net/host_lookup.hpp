// The addresses of a host that is named by name or address: what HttpGet and UdpAnnounce share.
// Owned by the loop's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/endpoint.hpp"

namespace murder::net {

class HostLookup : public std::enable_shared_from_this<HostLookup> {
 public:
  /// Either addresses, in the order in which they are to be tried, or why there are none: "cannot
  /// resolve tracker.example: Host not found".
  using Done = std::function<void(std::vector<IpAddress> addresses, std::string error)>;
  /// `done` is called once, from the loop, never from inside start(). An address is itself. A name
  /// is resolved on a thread of the io_context's own, which cannot be hurried: destroying the
  /// io_context waits for it.
  static std::shared_ptr<HostLookup> start(boost::asio::io_context& io, const std::string& host,
                                           Done done);
  /// `done` is not called any more.
  void cancel();

 private:
  HostLookup(boost::asio::io_context& io, Done done);
  void begin(boost::asio::io_context& io, const std::string& host);
  void finish(std::vector<IpAddress> addresses, std::string error);

  boost::asio::ip::tcp::resolver resolver_;
  Done done_;
};

}  // namespace murder::net
