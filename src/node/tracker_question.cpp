#include "node/tracker_question.hpp"

#include <fmt/format.h>
#include <utility>

#include "base/error.hpp"
#include "base/random.hpp"

namespace murder::node {
namespace {

TrackerAnswer read_answer(const net::HttpResult& result, const std::string& tracker) {
  TrackerAnswer answer;
  if (result.status == 0) {
    answer.problem = result.error;
    return answer;
  }
  try {
    // Many trackers send their "failure reason" with a status of 400.
    answer.reply = parse_announce_reply(result.body, tracker);
    answer.problem = answer.reply.failure_reason;
  } catch (const Error& error) {
    answer.problem = result.status == 200
                         ? error.what()
                         : fmt::format("HTTP status {} ({})", result.status, error.what());
  }
  return answer;
}

}  // namespace

TrackerClient::TrackerClient(boost::asio::io_context& io, const IpAddress& from)
    : io_(io),
      from_(from),
      udp_memory_(std::make_shared<net::UdpTrackerMemory>(Random::from_system())) {}

std::unique_ptr<TrackerQuestion> TrackerClient::ask(const std::string& tracker,
                                                    const AnnounceRequest& request,
                                                    Duration timeout,
                                                    TrackerQuestion::Callback callback) {
  TrackerUrl url = parse_tracker_url(tracker);
  auto question = std::make_unique<TrackerQuestion>();
  if (url.is_udp()) {
    net::UdpAnnounce::Options options;
    options.host = std::move(url.host);
    options.port = url.port;
    options.target = std::move(url.target);
    options.request = request;
    options.timeout = timeout;
    options.bind_address = from_;
    question->udp_ = std::make_unique<net::UdpAnnounce>(
        io_, udp_memory_, std::move(options),
        [callback = std::move(callback)](net::UdpAnnounce::Result result) {
          callback({std::move(result.reply), std::move(result.problem)});
        });
    return question;
  }
  net::HttpGet::Options options;
  options.host = std::move(url.host);
  options.port = url.port;
  options.is_secure = url.is_secure();
  const char separator = url.target.find('?') == std::string::npos ? '?' : '&';
  options.target = url.target + separator + to_query(request);
  options.timeout = timeout;
  options.bind_address = from_;
  question->http_ = std::make_unique<net::HttpGet>(
      io_, std::move(options),
      [tracker, callback = std::move(callback)](const net::HttpResult& result) {
        callback(read_answer(result, tracker));
      });
  return question;
}

void check_tracker_url(const std::string& tracker) {
  if (parse_tracker_url(tracker).is_secure() && !net::can_fetch_securely())
    throw Error(ErrorKind::usage, fmt::format("cannot ask tracker '{}': this murder speaks no TLS",
                                              printable(tracker)));
}

std::vector<std::string> usable_trackers(const std::vector<std::string>& trackers,
                                         std::string_view source, Log& log) {
  std::vector<std::string> usable;
  for (const std::string& tracker : trackers) try {
      check_tracker_url(tracker);
      usable.push_back(tracker);
    } catch (const Error& error) {
      log.info("a tracker of {} is left out: {}", source, error.what());
    }
  return usable;
}

}  // namespace murder::node
