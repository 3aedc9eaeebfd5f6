// What `murder copy` has a host do: look at a target, put there what is staged. Blocking; on the
// worker's thread.
#pragma once

#include <stop_token>

#include "orders/orders.hpp"

namespace murder::agent {

/// Fills in what a Look with a placement asks for.
void look_at_target(const orders::Placement& placement, orders::View& view,
                    const std::stop_token& stop);

/// Throws Error: usage (something is in the way), failed.
orders::Placed place(const orders::Place& order, const std::stop_token& stop);

}  // namespace murder::agent
