#include "cli/side_by_side.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace murder::cli {

void side_by_side(std::size_t count,
                  const std::function<void(std::size_t, const std::stop_token&)>& work,
                  const std::function<void(std::size_t finished)>& progress, SignalWatch& signals) {
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> finished{0};
  const auto run = [&](const std::stop_token& stop) {
    for (std::size_t i = next++; i < count && !stop.stop_requested(); i = next++) {
      work(i, stop);
      ++finished;
    }
  };
  const std::size_t most = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::jthread> threads;  // an exception below stops and joins them
  for (std::size_t i = 0; i < std::min(most, count); ++i) threads.emplace_back(run);
  while (finished < count) {
    signals.check_for(std::chrono::milliseconds(20));
    progress(finished);
  }
}

}  // namespace murder::cli
