// Orders about what lies at a DEST: looking, listing, verifying, pruning. Blocking; on the worker's
// thread.
#pragma once

#include <stop_token>

#include "orders/orders.hpp"

namespace murder::agent {

/// Changes nothing and fails only where nothing can be said. `locked`: by this session itself,
/// which is not told as locked.
orders::View look(const orders::Look& order, bool locked, const std::stop_token& stop = {});
orders::Releases list_releases(const orders::ListReleases& order);
/// Throws as verify_release().
orders::Verified verify(const orders::Verify& order, const std::stop_token& stop);
orders::Pruned prune(const orders::Prune& order, const std::stop_token& stop);

}  // namespace murder::agent
