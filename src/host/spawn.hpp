// Starting a program by posix_spawn(3), which is safe in a process with threads: hooks that are
// waited for, transfers and trackers that outlive whoever started them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace murder {

struct SpawnOptions {
  std::string program;            ///< path; not looked up in PATH
  std::vector<std::string> argv;  ///< with argv[0]
  /// Set beside what this process has in its own environment, or instead of it.
  std::map<std::string, std::string> environment = {};
  int folder = -1;  ///< descriptor of the working folder; -1: "/"
  int output = -1;  ///< becomes stdout and stderr; -1: /dev/null
  int keep = -1;    ///< stays open in the program, as descriptor 3, such as one that holds a lock
};

/// Starts it in a session of its own (no terminal, and its process group's id is its own), with
/// stdin from /dev/null, no signal blocked or ignored, and no other descriptor of ours. Returns its
/// process id, which the caller reaps. Throws Error{failed} "cannot run PROGRAM: …".
pid_t spawn(const SpawnOptions& options);

/// How a process ended, without waiting for that: exit status, or 128 + signal; nullopt while it
/// runs. To be asked no more once it has been told.
std::optional<int> reap(pid_t process);

/// "exit status 3", "killed by signal 9 (SIGKILL)".
std::string describe_status(int status);

}  // namespace murder
