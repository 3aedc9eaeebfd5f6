// A running node and its trackers: what it asks them, and what becomes of their answers.
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <utility>

#include "base/error.hpp"
#include "node/swarm_node.hpp"

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

std::vector<std::string> SwarmNode::choose_trackers(const Metainfo& metainfo,
                                                    const SwarmNodeOptions& options, Log& log) {
  if (!options.trackers.empty()) return options.trackers;
  std::vector<std::string> named;
  for (const auto& tier : metainfo.trackers) named.insert(named.end(), tier.begin(), tier.end());
  std::vector<std::string> usable = usable_trackers(named, "the torrent", log);
  const bool is_lonely = options.peers.empty() && options.web_seeds.empty();
  // Nobody would ever find it: its fault is said as that of a flag would be.
  if (usable.empty() && is_lonely && metainfo.web_seeds.empty() && !named.empty())
    check_tracker_url(named.front());
  return usable;
}

void SwarmNode::announce(const std::string& tracker, AnnounceEvent event) {
  // The request is made from the loop, when the engine has finished what it is at.
  boost::asio::post(io_, [this, tracker, event, alive = alive_] {
    if (!*alive || stopping_) return;
    announce_ = tracker_client_.ask(
        tracker, make_request(event), announce_timeout,
        [this, tracker](const TrackerAnswer& answer) { announced(tracker, answer); });
  });
}

void SwarmNode::announced(const std::string& tracker, const TrackerAnswer& answer) {
  const auto finished = std::move(announce_);
  const std::string& problem = answer.problem;
  if (!tracker_said_ || problem != tracker_problem_) {
    if (!problem.empty())
      log_.warning("tracker {}: {}; trying again", tracker, printable(problem, 300));
    else if (tracker_said_)
      log_.info("tracker {} answers again", tracker);
    events_.emit(events::TrackerState{tracker, problem.empty(), problem});
  }
  tracker_said_ = true;
  tracker_problem_ = problem;
  if (problem.empty()) answered_ = tracker;
  if (problem.empty())
    engine_.on_tracker_reply(answer.reply, now());
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
  port_ = nominal_port;
  report_complete_to(0, std::move(done));
}

void SwarmNode::report_complete_to(std::size_t which, std::function<void()> done) {
  if (which == trackers_.size()) {
    done();
    return;
  }
  announce_ =
      tracker_client_.ask(trackers_[which], make_request(AnnounceEvent::started), stop_timeout,
                          [this, which, done = std::move(done)](const TrackerAnswer& answer) {
                            if (!answer.problem.empty()) return report_complete_to(which + 1, done);
                            answered_ = trackers_[which];
                            stop(done);
                          });
}

void SwarmNode::say_stopped(std::function<void()> done) {
  if (trackers_.empty() || !tracker_problem_.empty()) {
    announce_.reset();
    done();
    return;
  }
  // The one that knows of us; it would wait for us.
  announce_ = tracker_client_.ask(answered_.empty() ? trackers_.front() : answered_,
                                  make_request(AnnounceEvent::stopped), stop_timeout,
                                  [done = std::move(done)](const TrackerAnswer&) { done(); });
}

}  // namespace murder::node
