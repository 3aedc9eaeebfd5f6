// The host's side of a deploy: one session, from Hello to the end of the orders (orders/orders.hpp,
// docs/orders.md). It lives as long as the ssh session that started it; what has to outlive that,
// transfers and trackers, are processes of their own.
#pragma once

#include <filesystem>

#include "base/log.hpp"

namespace murder::agent {

struct AgentOptions {
  int input = 0;   ///< where frames come from: a pipe, a socket, a terminal; left open
  int output = 1;  ///< where frames go
  std::filesystem::path executable;  ///< murder itself, for transfers and trackers
  std::filesystem::path state;       ///< where deploys' folders are made; empty: where is best
};

/// Serves the session to its end: 0 when the control side has gone, 1 when what came was no frame,
/// 143 or 130 when a signal ended it. What is being switched over at the end is finished first, as
/// activate() says. Throws Error{failed} when input or output cannot be used.
int run_agent(const AgentOptions& options, Log log);

}  // namespace murder::agent
