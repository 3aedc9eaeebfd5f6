// What a host says of itself: at the beginning of each session, and when `murder doctor` examines
// it. Nothing here changes anything. Blocking; any thread.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "base/endpoint.hpp"
#include "orders/orders.hpp"

namespace murder::agent {

orders::Hello hello();

/// Where others reach this host: the server side of $SSH_CONNECTION; empty without.
std::string own_address();
/// The client side, likewise: where whoever logged in comes from.
std::string client_address();

orders::Examined examine(const orders::Examine& order, const std::filesystem::path& executable);

/// Tries all at once. Ends early, with what is known by then, when `stop` is requested.
orders::Probed probe(const orders::Probe& order, const std::stop_token& stop);

}  // namespace murder::agent
