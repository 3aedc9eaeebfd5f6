// A range of the payload, fetched from a web seed: one GET for each file that it lies in, one after
// the other.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/endpoint.hpp"
#include "net/http.hpp"
#include "node/web_source.hpp"

namespace murder::node {

/// Destroying it cancels; the callback is then never called. It comes once, from the loop, and may
/// destroy the WebRequest. All of it belongs to the thread that runs the io_context.
class WebRequest {
 public:
  /// `bytes`: all that was asked for when the answer is `came`, else nothing.
  using Callback = std::function<void(WebAnswer answer, std::string bytes)>;
  /// `parts`: of web_parts(). `from`: the address to connect from; unspecified: any.
  WebRequest(boost::asio::io_context& io, std::vector<WebPart> parts, const IpAddress& from,
             Callback callback);
  ~WebRequest();
  WebRequest(const WebRequest&) = delete;
  WebRequest& operator=(const WebRequest&) = delete;

 private:
  void next();
  void answered(const net::HttpResult& result);
  void finish(WebAnswer answer);

  boost::asio::io_context& io_;
  std::vector<WebPart> parts_;
  IpAddress from_;
  Callback callback_;
  std::size_t at_ = 0;
  std::string bytes_;
  std::unique_ptr<net::HttpGet> get_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace murder::node
