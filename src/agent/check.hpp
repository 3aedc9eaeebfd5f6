// Is the live release well? Blocking; on the worker's thread.
#pragma once

#include <stop_token>

#include "orders/orders.hpp"

namespace murder::agent {

/// Tries until it is, as often as the order says. Throws Error: usage (neither command nor URL,
/// a URL that cannot be used), failed (nothing is live, no shell, `stop` was requested).
orders::Checked check(const orders::Check& order, const std::stop_token& stop);

}  // namespace murder::agent
