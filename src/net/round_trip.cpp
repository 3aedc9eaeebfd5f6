// By itself, because the C library's <netinet/tcp.h> has an older tcp_info, and the kernel's header
// cannot be included beside it.
#include "net/round_trip.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace murder::net {

Duration smallest_round_trip(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return Duration::zero();
  constexpr std::uint32_t not_known = ~std::uint32_t{0};
  return info.tcpi_min_rtt == not_known ? Duration::zero()
                                        : Duration(std::chrono::microseconds(info.tcpi_min_rtt));
}

}  // namespace murder::net
