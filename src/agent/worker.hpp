// Blocking work (disk, hooks, waiting for a process to start) on a thread of its own, so that the
// loop goes on meanwhile.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <type_traits>
#include <utility>

namespace murder::agent {

/// Runs `work` on a thread of the pool; its result or its exception comes back to the coroutine.
/// Never abandoned: a coroutine that is cancelled waits here until it is done, so that `work` may
/// refer to what the coroutine holds.
template <class Work>
boost::asio::awaitable<std::invoke_result_t<Work&>> on_worker(boost::asio::thread_pool& pool,
                                                              Work work) {
  namespace asio = boost::asio;
  using Result = std::invoke_result_t<Work&>;
  const auto run = [&work]() -> asio::awaitable<Result> { co_return work(); };
  co_return co_await asio::co_spawn(
      pool.get_executor(), run(),
      asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
}

}  // namespace murder::agent
