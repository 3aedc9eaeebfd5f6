#include "agent/check.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <optional>
#include <string>

#include "agent/hook_environment.hpp"
#include "base/error.hpp"
#include "base/http_url.hpp"
#include "base/units.hpp"
#include "host/command.hpp"
#include "host/destination.hpp"
#include "net/http.hpp"

namespace murder::agent {
namespace {

/// Of an answer to a URL: enough to see what went wrong.
constexpr std::size_t kept_body_bytes = 4096;

struct Try {
  std::string reason;  ///< empty: well
  std::string output;
};

Try try_command(const orders::Check& order, const Destination& destination, const std::string& live,
                const std::stop_token& stop) {
  const HookEnvironment where(destination, live, previous_release(destination).value_or(""),
                              order.host, order.deploy);
  const UniqueFd folder = where.open_release();
  const Duration timeout = std::chrono::seconds(order.timeout_s);
  CommandOutcome outcome = run_command({.command = order.command,
                                        .folder = folder.get(),
                                        .environment = where.variables(),
                                        .timeout = timeout,
                                        .stop = stop});
  return {outcome.well() ? "" : outcome.reason(timeout), std::move(outcome.output)};
}

Try try_url(const HttpUrl& url, Duration timeout, const std::stop_token& stop) {
  net::HttpGet::Options options;
  // What it means everywhere; and a static binary has no resolver to ask.
  options.host = url.host == "localhost" ? "127.0.0.1" : url.host;
  options.port = url.port;
  options.target = url.target;
  options.timeout = timeout;
  boost::asio::io_context io;
  std::optional<net::HttpResult> result;
  const net::HttpGet get(io, options, [&](net::HttpResult r) { result = std::move(r); });
  const std::stop_callback stopper(stop, [&] { io.stop(); });
  io.run();
  if (!result) return {"the session ended", ""};
  if (result->status == 0) return {result->error, ""};
  result->body.resize(std::min(result->body.size(), kept_body_bytes));
  const bool well = result->status >= 200 && result->status <= 299;
  return {well ? "" : fmt::format("HTTP status {}", result->status), std::move(result->body)};
}

void wait_for(Duration time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
}

}  // namespace

orders::Checked check(const orders::Check& order, const std::stop_token& stop) {
  if (order.command.empty() == order.url.empty())
    throw Error(ErrorKind::usage, "a check is a command or a URL");
  std::optional<HttpUrl> url;
  if (!order.url.empty()) url = parse_http_url(order.url, "the check's URL");
  const Destination destination = Destination::open(order.dest, Destination::Mode::existing);
  const Instant began = std::chrono::steady_clock::now();
  orders::Checked answer;
  for (;;) {
    const std::optional<std::string> live = destination.current_tag();
    if (!live)
      throw Error(ErrorKind::failed, fmt::format("cannot check {}: no release is live there",
                                                 destination.path().native()));
    Try last = url ? try_url(*url, std::chrono::seconds(order.timeout_s), stop)
                   : try_command(order, destination, *live, stop);
    if (stop.stop_requested())
      throw Error(ErrorKind::failed, "the check was given up: the session ended");
    ++answer.tries;
    answer.well = last.reason.empty();
    answer.reason = std::move(last.reason);
    answer.output = std::move(last.output);
    if (answer.well || answer.tries >= order.tries) break;
    wait_for(std::chrono::milliseconds(order.interval_ms), stop);
  }
  answer.seconds = to_seconds(std::chrono::steady_clock::now() - began);
  return answer;
}

}  // namespace murder::agent
