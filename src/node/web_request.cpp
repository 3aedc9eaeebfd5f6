#include "node/web_request.hpp"

#include <boost/asio/post.hpp>
#include <chrono>
#include <ctime>
#include <fmt/format.h>
#include <utility>

namespace murder::node {
namespace {

constexpr Duration patience = std::chrono::seconds(30);
constexpr double slowest_bytes_per_s = 64 * 1024;

}  // namespace

WebRequest::WebRequest(boost::asio::io_context& io, std::vector<WebPart> parts,
                       const IpAddress& from, Callback callback)
    : io_(io), parts_(std::move(parts)), from_(from), callback_(std::move(callback)) {
  boost::asio::post(io_, [this, alive = alive_] {
    if (*alive) next();
  });
}

WebRequest::~WebRequest() { *alive_ = false; }

void WebRequest::next() {
  while (at_ < parts_.size() && parts_[at_].is_padding)
    bytes_.append(parts_[at_++].range.length, 0);
  if (at_ == parts_.size()) return finish({});
  const WebPart& part = parts_[at_];
  net::HttpGet::Options options;
  options.host = part.url.host;
  options.port = part.url.port;
  options.target = part.url.target;
  options.is_secure = part.url.is_secure;
  options.range = part.range.to_header();
  options.timeout =
      patience + from_seconds(static_cast<double>(part.range.length) / slowest_bytes_per_s);
  options.max_body_bytes = part.range.length;
  options.bind_address = from_;
  get_ = std::make_unique<net::HttpGet>(
      io_, std::move(options), [this](const net::HttpResult& result) { answered(result); });
}

void WebRequest::answered(const net::HttpResult& result) {
  const WebPart& part = parts_[at_];
  WebAnswer answer = judge_web_answer(result, part.range, part.total, std::time(nullptr));
  if (answer.outcome != swarm::WebOutcome::came) {
    if (!part.file.empty()) answer.reason = fmt::format("{}: {}", part.file, answer.reason);
    return finish(std::move(answer));
  }
  bytes_ += result.body;
  ++at_;
  next();
}

void WebRequest::finish(WebAnswer answer) {
  if (answer.outcome != swarm::WebOutcome::came) bytes_.clear();
  const Callback tell = std::move(callback_);
  tell(std::move(answer), std::move(bytes_));
}

}  // namespace murder::node
