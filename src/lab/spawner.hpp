// Starts children, all from one thread of its own.
//
// Children ask to be killed when their parent goes (PR_SET_PDEATHSIG), so that nothing outlives a
// killed demo. The kernel takes "parent" to mean the thread that forked: were it whichever thread
// called spawn(), children would die as soon as a short-lived caller did.
#pragma once

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace murder::lab {

struct SpawnOptions {
  std::vector<std::string> argv;
  int network_namespace_fd = -1;  ///< -1: this process's own
  int stdin_fd = -1;              ///< -1, here and below: /dev/null
  int stdout_fd = -1;
  int stderr_fd = -1;
};

class Spawner {
 public:
  Spawner();
  /// Kills (SIGKILL, from the kernel) every child that still runs; reaping stays with whoever
  /// holds the pid.
  ~Spawner();
  Spawner(const Spawner&) = delete;
  Spawner& operator=(const Spawner&) = delete;

  /// The pid of a child in which exec has succeeded. Any thread. Error{failed} "cannot run X: …".
  pid_t spawn(SpawnOptions options);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::packaged_task<pid_t()>> requests_;
  bool stopping_ = false;
  std::thread thread_;
};

/// Where `name` is: itself when it has a slash, else looked for in PATH, /usr/sbin and /sbin.
/// Empty when it is nowhere.
std::string find_program(const std::string& name);

}  // namespace murder::lab
