// A time limit on something that waits: when it is over, a function is called once. Belongs to the
// thread that runs the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/units.hpp"

namespace murder::fleet {

class Deadline {
 public:
  /// `over` is told what was being waited for; never after cancel() or the end of this.
  Deadline(boost::asio::io_context& io, std::function<void(const std::string&)> over)
      : timer_(io), over_(std::move(over)) {}
  ~Deadline() { cancel(); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  /// From now on; takes the place of the one before.
  void set(Duration length, std::string what) {
    cancel();
    length_ = length;
    // A timer that is over already has its handler called though it is cancelled.
    counts_ = std::make_shared<bool>(true);
    timer_.expires_after(length);
    timer_.async_wait(
        [this, counts = counts_, what = std::move(what)](const boost::system::error_code& error) {
          if (!error && *counts) over_(what);
        });
  }
  void cancel() {
    if (counts_) *counts_ = false;
    timer_.cancel();
  }
  Duration length() const { return length_; }

 private:
  boost::asio::steady_timer timer_;
  std::function<void(const std::string&)> over_;
  std::shared_ptr<bool> counts_;
  Duration length_{};
};

}  // namespace murder::fleet
