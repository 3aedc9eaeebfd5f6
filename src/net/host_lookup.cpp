#include "net/host_lookup.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <utility>

#include "base/error.hpp"
#include "net/address.hpp"

namespace murder::net {
namespace asio = boost::asio;
using boost::system::error_code;

std::shared_ptr<HostLookup> HostLookup::start(asio::io_context& io, const std::string& host,
                                              Done done) {
  std::shared_ptr<HostLookup> lookup(new HostLookup(io, std::move(done)));
  lookup->begin(io, host);
  return lookup;
}

HostLookup::HostLookup(asio::io_context& io, Done done) : resolver_(io), done_(std::move(done)) {}

void HostLookup::begin(asio::io_context& io, const std::string& host) {
  if (const auto address = IpAddress::parse(host)) {
    asio::post(io, [self = shared_from_this(), address] { self->finish({*address}, ""); });
    return;
  }
  resolver_.async_resolve(
      host, "", [self = shared_from_this(), host](error_code ec, const auto& results) {
        if (ec == asio::error::operation_not_supported)
          return self->finish({}, fmt::format("cannot resolve {}: this is the static build of "
                                              "murder, which takes addresses, not names",
                                              printable(host)));
        if (ec || results.empty())
          return self->finish({}, fmt::format("cannot resolve {}{}", printable(host),
                                              ec ? ": " + ec.message() : ""));
        std::vector<IpAddress> addresses;
        for (const auto& result : results)
          addresses.push_back(from_asio(result.endpoint()).address);
        self->finish(std::move(addresses), "");
      });
}

void HostLookup::finish(std::vector<IpAddress> addresses, std::string error) {
  if (!done_) return;
  std::exchange(done_, nullptr)(std::move(addresses), std::move(error));
}

void HostLookup::cancel() {
  done_ = nullptr;
  resolver_.cancel();
}

}  // namespace murder::net
