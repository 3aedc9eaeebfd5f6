// A running node and its trackers: what it asks them, and what becomes of their answers.
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <utility>

#include "base/error.hpp"
#include "node/swarm_node.hpp"
#include "node/tracker_question.hpp"

namespace murder::node {
namespace {

/// What a process that listens nowhere gives the tracker, which wants a port.
constexpr std::uint16_t nominal_port = 8999;
constexpr Duration announce_timeout = std::chrono::seconds(10);
constexpr Duration stop_timeout = std::chrono::seconds(1);

Instant now() { return std::chrono::steady_clock::now(); }

}  // namespace

AnnounceRequest SwarmNode::make_request(AnnounceEvent event) const {
  AnnounceRequest request;
  request.info_hash = metainfo_.info_hash;
  request.peer_id = id_;
  request.port = port_;
  request.uploaded = engine_.uploaded();
  request.downloaded = engine_.downloaded();
  request.left = engine_.bytes_left();
  request.event = event;
  if (!options_.listen.is_unspecified()) request.ip = options_.listen;
  request.role = options_.role;
  request.links = static_cast<std::uint32_t>(engine_.link_count());
  request.host_name = options_.name;
  request.failed = failed_;
  return request;
}

std::unique_ptr<net::HttpGet> SwarmNode::get(const std::string& tracker,
                                             const AnnounceRequest& request, Duration timeout,
                                             net::HttpGet::Callback callback) {
  return std::make_unique<net::HttpGet>(
      io_, tracker_question(tracker, request, timeout, options_.listen), std::move(callback));
}

void SwarmNode::announce(const std::string& tracker, AnnounceEvent event) {
  // The request is made from the loop, when the engine has finished what it is at.
  boost::asio::post(io_, [this, tracker, event, alive = alive_] {
    if (!*alive || stopping_) return;
    announce_ = get(tracker, make_request(event), announce_timeout,
                    [this, tracker](const net::HttpResult& result) { announced(tracker, result); });
  });
}

void SwarmNode::announced(const std::string& tracker, const net::HttpResult& result) {
  const auto finished = std::move(announce_);
  std::string problem;
  AnnounceReply reply;
  if (result.status == 0) {
    problem = result.error;
  } else {
    try {
      // Many trackers send their "failure reason" with a status of 400.
      reply = parse_announce_reply(result.body, tracker);
      problem = reply.failure_reason;
    } catch (const Error& error) {
      problem = result.status == 200
                    ? error.what()
                    : fmt::format("HTTP status {} ({})", result.status, error.what());
    }
  }
  if (!tracker_said_ || problem != tracker_problem_) {
    if (!problem.empty())
      log_.warning("tracker {}: {}; trying again", tracker, printable(problem, 300));
    else if (tracker_said_)
      log_.info("tracker {} answers again", tracker);
    events_.emit(events::TrackerState{tracker, problem.empty(), problem});
  }
  tracker_said_ = true;
  tracker_problem_ = problem;
  if (problem.empty())
    engine_.on_tracker_reply(reply, now());
  else
    engine_.on_tracker_failed(now());
  schedule_tick();
}

void SwarmNode::add_tracker(const std::string& url) {
  parse_tracker_url(url);
  std::erase(trackers_, url);
  trackers_.insert(trackers_.begin(), url);
  announce_.reset();  // whatever is still waited for
  tracker_said_ = false;
  engine_.add_tracker(url, now());
  schedule_tick();
}

void SwarmNode::report_complete(std::function<void()> done) {
  if (trackers_.empty()) {
    done();
    return;
  }
  port_ = nominal_port;
  announce_ = get(trackers_.front(), make_request(AnnounceEvent::started), stop_timeout,
                  [this, done = std::move(done)](const net::HttpResult&) { stop(done); });
}

void SwarmNode::say_stopped(std::function<void()> done) {
  if (trackers_.empty() || !tracker_problem_.empty()) {
    announce_.reset();
    done();
    return;
  }
  announce_ = get(trackers_.front(), make_request(AnnounceEvent::stopped), stop_timeout,
                  [done = std::move(done)](const net::HttpResult&) { done(); });
}

}  // namespace murder::node
