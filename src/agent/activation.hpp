// Switching a host over and back: shared links, hooks and the switch itself, in their order. What
// is half done can be told from outside and is finished by the same order given again. Blocking;
// on the worker's thread.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "host/destination.hpp"
#include "orders/orders.hpp"

namespace murder::agent {

/// With what an order is carried out.
struct Turn {
  bool locked = false;   ///< this session holds the deploy lock of the DEST already
  std::stop_token stop;  ///< the session has ended: nobody hears of it any more
};

/// Hooks run in the release, with MURDER_TAG, MURDER_DEST, MURDER_RELEASE, MURDER_PREVIOUS,
/// MURDER_HOST and MURDER_DEPLOY set. When the session ends before the switch, the first hook is
/// ended and nothing is switched; the second is run to its end in any case, for what was switched
/// has to be restarted.
///
/// With `again`, an order that the same deploy gave before is answered with what it came to then,
/// if it came to its end.
///
/// Throws Error when nothing was tried: no such release, locked by another deploy, something in the
/// way of a shared link. What a hook or the switch did is in the answer.
orders::Activated activate(const orders::Activate& order, const Turn& turn);
orders::Activated roll_back(const orders::Rollback& order, const Turn& turn);

/// The live release when the hook after its activation did not succeed, or was never run; nullopt:
/// none.
std::optional<std::string> unfinished_release(const Destination& destination);

}  // namespace murder::agent
