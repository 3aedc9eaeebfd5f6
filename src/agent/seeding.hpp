// A seeder of what lies on this machine, as long as the session lives: the control machine's own
// part when it is the origin.
//
// Belongs to the thread that runs the io_context.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>

#include "orders/frame.hpp"
#include "orders/orders.hpp"

namespace murder::agent {

class Seeding {
 public:
  using Tell = std::function<boost::asio::awaitable<void>(orders::Frame)>;

  Seeding(boost::asio::io_context& io, std::filesystem::path executable, Tell tell);
  ~Seeding();
  Seeding(const Seeding&) = delete;
  Seeding& operator=(const Seeding&) = delete;

  /// Starts `murder seed` and returns when it was told to end. Its events are told as they come,
  /// after one that says that a transfer runs here. Throws Error: usage (no address), failed (why
  /// it ended by itself).
  boost::asio::awaitable<orders::Done> serve(const orders::Seed& order);
  void end();

 private:
  boost::asio::awaitable<void> pass_on_events();
  boost::asio::awaitable<void> take_line(std::string line);

  boost::asio::io_context& io_;
  std::filesystem::path executable_;
  Tell tell_;
  std::optional<boost::asio::posix::stream_descriptor> output_;
  std::optional<pid_t> process_;
  std::string words_;  ///< what it said that is no event
  bool ended_ = false;
};

}  // namespace murder::agent
