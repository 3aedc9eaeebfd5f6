// How far away a peer is.
#pragma once

#include "base/units.hpp"

namespace murder::net {

/// The smallest round trip that the kernel has seen on the connection (TCP_INFO, tcpi_min_rtt): the
/// way itself. The smoothed one has the queues on the way in it, which a window must not be sized
/// by, for it fills them. Zero when not known.
Duration smallest_round_trip(int fd);

}  // namespace murder::net
