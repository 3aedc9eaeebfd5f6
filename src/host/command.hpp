// Hooks and checks: a user's command, run by sh on the host, with a time limit and its output
// collected. Whatever it does (hang, print without end, leave a daemon behind), it ends here within
// its time and costs 64 KiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/units.hpp"

namespace murder {

/// The beginning and the end of a long output, each of this size.
inline constexpr std::size_t kept_output_bytes = 32u << 10;

/// Takes any amount of output and keeps its two ends.
class OutputEnds {
 public:
  void add(std::string_view part);
  std::uint64_t bytes() const { return bytes_; }
  /// All of it, or both ends with a line between them that says how much was left out.
  std::string text() const;

 private:
  std::string first_;
  std::string last_;  ///< a ring once it is full: the oldest byte is at `oldest_`
  std::size_t oldest_ = 0;
  std::uint64_t bytes_ = 0;
};

struct CommandOptions {
  std::string command;  ///< for sh -c
  int folder = -1;      ///< descriptor of the working folder, which stays open meanwhile; -1: "/"
  std::map<std::string, std::string> environment = {};  ///< beside this process's own
  Duration timeout = std::chrono::seconds(60);
  std::stop_token stop = {};  ///< ends it as the time limit does
  std::string shell = "/bin/sh";
};

struct CommandOutcome {
  int status = 0;  ///< exit status, or 128 + signal
  bool timed_out = false;
  bool stopped = false;  ///< by the stop token
  double seconds = 0;
  std::string output;              ///< stdout and stderr, as they came; see OutputEnds
  std::uint64_t output_bytes = 0;  ///< of all of it

  bool well() const { return status == 0 && !timed_out && !stopped; }
  /// Why it is not: "exit status 3", "killed by signal 11 (SIGSEGV)", "not done within 60 s".
  std::string reason(Duration timeout) const;
};

/// Runs it to its end, in a session of its own with stdin from /dev/null. When its time is up the
/// whole process group gets SIGTERM, and SIGKILL after 2 s. What it leaves running in the
/// background is let be, unless its time was up; of what that still prints, 0.2 s are waited for
/// (a daemon that goes on writing to the pipe gets SIGPIPE then: redirect its output). Blocks; any
/// thread. Throws Error{failed} when there is no shell to run it.
CommandOutcome run_command(const CommandOptions& options);

}  // namespace murder
