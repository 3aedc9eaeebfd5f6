// A time limit on something that waits: when it is over, a function is called once. Belongs to the
// thread that runs the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/units.hpp"

namespace murder::fleet {

class Deadline {
 public:
  /// `over` is told what was being waited for.
  Deadline(boost::asio::io_context& io, std::function<void(const std::string&)> over)
      : timer_(io), over_(std::move(over)) {}

  /// From now on; takes the place of the one before.
  void set(Duration length, std::string what) {
    length_ = length;
    timer_.expires_after(length);
    timer_.async_wait([this, turn = turn_, mine = ++*turn_,
                       what = std::move(what)](const boost::system::error_code& error) {
      // One that was over just when it was cancelled comes nevertheless.
      if (!error && *turn == mine) over_(what);
    });
  }
  void cancel() {
    ++*turn_;
    timer_.cancel();
  }
  ~Deadline() { ++*turn_; }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  Duration length() const { return length_; }

 private:
  boost::asio::steady_timer timer_;
  std::function<void(const std::string&)> over_;
  std::shared_ptr<std::uint64_t> turn_ = std::make_shared<std::uint64_t>(0);
  Duration length_{};
};

}  // namespace murder::fleet
