// Children on the hosts of a lab, and what they write: started, listened to, ended.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "base/units.hpp"
#include "cli/signal_watch.hpp"
#include "lab/lab.hpp"

namespace murder::cli {

/// One thread, that of `signals`. Those that still run when it goes are killed.
class FleetWatch {
 public:
  /// What a child wrote to stdout, a line at a time, without its end.
  using OnLine = std::function<void(std::string_view)>;
  /// It ended: exit status (128 + signal), and the last line that it wrote to stderr.
  using OnEnd = std::function<void(int status, const std::string& last_words)>;

  /// What children write to stderr is kept in `log_folder`, which must be there.
  FleetWatch(lab::Lab& lab, SignalWatch& signals, std::filesystem::path log_folder);
  ~FleetWatch();
  FleetWatch(const FleetWatch&) = delete;
  FleetWatch& operator=(const FleetWatch&) = delete;

  /// Runs `argv` on that host of the lab. The functions are called by wait_until() alone. Returns
  /// its number, from 0 on.
  std::size_t start(std::size_t host, const std::vector<std::string>& argv, OnLine on_line,
                    OnEnd on_end);
  /// Tells of lines and ends until `done` holds, asked after every few of them and at least ten
  /// times a second; each time `meanwhile` (may be empty) is called. Error{interrupted} and
  /// Error{terminated} when a signal has come. True when `done` holds, false after `limit`.
  bool wait_until(const std::function<bool()>& done, const std::function<void()>& meanwhile,
                  std::optional<Duration> limit = {});
  /// Sends SIGTERM to all that run, and waits until they are gone, at most `grace`; then SIGKILL.
  /// Their lines and ends are told as ever.
  void end_all(Duration grace);
  bool all_ended() const;

 private:
  struct Child {
    lab::Process process;
    UniqueFd out;  ///< none once it was closed at the other end
    std::string unfinished_line;
    std::filesystem::path log;
    OnLine on_line;
    OnEnd on_end;
    bool ended = false;
  };

  void poll_once(Duration time);
  void read_from(Child& child);
  void reap(Child& child);
  void kill_all() noexcept;

  lab::Lab& lab_;
  SignalWatch& signals_;
  std::filesystem::path log_folder_;
  std::vector<Child> children_;
};

}  // namespace murder::cli
