// A program run as a child, its three standard streams as pipes that the loop reads and writes.
// Belongs to the thread that runs the io_context.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace murder::net {

class ChildProcess {
 public:
  using Stream = boost::asio::posix::stream_descriptor;

  /// `argv[0]` is looked up in PATH. In a process group of its own, so that a Ctrl-C of the
  /// terminal reaches only this process, which then ends the child as it sees fit; no other
  /// descriptor is inherited. Throws Error{failed} "cannot run X: …".
  ChildProcess(boost::asio::io_context& io, const std::vector<std::string>& argv);
  /// Kills and reaps it when it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  Stream& in() { return in_; }
  Stream& out() { return out_; }
  Stream& err() { return err_; }
  pid_t pid() const { return pid_; }

  /// Without effect on a child that has been reaped.
  void signal(int number);
  /// Exit status, or 128 + signal; nullopt while it runs. Never blocks.
  std::optional<int> poll();
  /// Waits for it to end, looking every few milliseconds: for when its streams are closed.
  boost::asio::awaitable<int> wait();

 private:
  Stream in_;
  Stream out_;
  Stream err_;
  pid_t pid_ = -1;
  std::optional<int> status_;
};

}  // namespace murder::net
