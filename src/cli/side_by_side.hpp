// The same work for many hosts, on all processors.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>

#include "cli/signal_watch.hpp"

namespace murder::cli {

/// Calls `work(0)` to `work(count - 1)` from as many threads as there are processors, each once;
/// `work` throws nothing. Meanwhile the calling thread, that of `signals`, calls
/// `progress(finished)` a few times a second. A signal ends it: what runs is asked to stop and
/// waited for. Error{interrupted}, Error{terminated}.
void side_by_side(std::size_t count,
                  const std::function<void(std::size_t, const std::stop_token&)>& work,
                  const std::function<void(std::size_t finished)>& progress, SignalWatch& signals);

}  // namespace murder::cli
