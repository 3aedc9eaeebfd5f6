// Signals that are to end a command, as something to ask about: between two steps, or while it
// waits for descriptors. So that whatever was made is unmade by destructors, whenever Ctrl-C comes.
#pragma once

#include "base/file.hpp"
#include "base/units.hpp"

namespace murder::cli {

/// SIGINT, SIGTERM and SIGHUP do nothing by themselves while it lives; made before any thread is
/// started. Signals that come while it goes are dropped: what they ask for is being done.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  /// Readable when one has come, until check() is called. For poll(2), from any thread.
  int fd() const { return fd_.get(); }
  /// Throws Error{interrupted} or Error{terminated} when one has come, now or before.
  void check();
  /// check(), then waits so long for one, and checks again.
  void check_for(Duration time);

 private:
  UniqueFd fd_;
  int came_ = 0;
};

}  // namespace murder::cli
