// Processes in the background, and how they are found again: each holds a file of its own locked,
// flock(2), for as long as it lives, in a folder that is its user's alone. The file says which
// process that is, by number and time of start, so that nothing else is ever taken for it: a file
// whose lock is free is of a process that is gone, whatever runs under its number now.
//
//   ROLE-NAME[-DISTINCT].daemon   the file; JSON
//   ROLE-NAME[-DISTINCT].log      what it said since it went to the background
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process_identity.hpp"
#include "base/units.hpp"

namespace murder {

struct Daemon {
  std::string role;      ///< "tracker", "seed", "peer"
  std::string name;      ///< a tracker's ADDRESS:PORT; the tag that others serve
  std::string distinct;  ///< tells two of one role and name apart; may be empty
  std::string place;     ///< a seeder's payload, a peer's DEST, a tracker's files; may be empty
  std::string options;   ///< what it was started with; to be compared only
  std::string log;       ///< path; empty: none
  // Filled in by DaemonFile:
  ProcessIdentity process;
  std::int64_t since = 0;  ///< in seconds since 1970
  bool serves = false;     ///< it has begun to do what it is for
};

/// $MURDER_RUN_DIR; else root's is /run/murder and any other user's ~/.cache/murder/run/MACHINE
/// ($XDG_CACHE_HOME/murder/run/MACHINE). Not $XDG_RUNTIME_DIR: that goes when its user logs out,
/// and daemons do not. Throws Error{usage} when there is no such place.
std::filesystem::path daemon_folder(const std::function<const char*(const std::string&)>& variable);
/// Where the log of a daemon is, unless told otherwise.
std::filesystem::path default_log(const std::filesystem::path& folder, const Daemon& daemon);
/// Makes the folder, for this user alone. Throws Error{failed}, also when it is another user's.
void make_daemon_folder(const std::filesystem::path& folder);

/// One like it runs already.
class DaemonRuns : public Error {
 public:
  DaemonRuns(const std::string& message, Daemon daemon)
      : Error(ErrorKind::failed, message), daemon_(std::move(daemon)) {}
  const Daemon& daemon() const { return daemon_; }

 private:
  Daemon daemon_;
};

/// This process as a daemon. Held until destroyed, which takes the file away.
class DaemonFile {
 public:
  /// Fills in `daemon`. Throws DaemonRuns when another holds it, Error{failed} when the file cannot
  /// be written.
  DaemonFile(const std::filesystem::path& folder, Daemon daemon);
  ~DaemonFile();
  DaemonFile(const DaemonFile&) = delete;
  DaemonFile& operator=(const DaemonFile&) = delete;

  const Daemon& daemon() const { return daemon_; }
  /// Whoever looks is told that it serves. Throws Error{failed}.
  void set_serving();

 private:
  Daemon daemon_;
  std::filesystem::path path_;
  UniqueFd fd_;
};

/// Those that run, by role and name. Takes away the files of those that are gone. A folder that is
/// not there has none. Throws Error{failed}.
std::vector<Daemon> running_daemons(const std::filesystem::path& folder);

/// Waits until it serves, however long that takes; false when it has ended instead.
bool wait_until_it_serves(const std::filesystem::path& folder, const Daemon& daemon);

/// What became of a daemon that was to end.
struct Ending {
  enum class How {
    gone,    ///< it had ended before
    ended,   ///< by SIGTERM
    killed,  ///< by SIGKILL, after `patience`
    failed   ///< see `reason`
  } how = How::gone;
  std::string reason;
};

/// Ends them, all at once, and waits until they have ended; in the order of `daemons`.
std::vector<Ending> end_daemons(const std::filesystem::path& folder,
                                const std::vector<Daemon>& daemons, Duration patience);

}  // namespace murder
