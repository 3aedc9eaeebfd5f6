// Reading the local record: past deploys and those that run now, of all murder processes of this
// user.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/database.hpp"
#include "fleet/report.hpp"

namespace murder::fleet {

enum class Standing {
  running,
  ended,
  interrupted,  ///< its process is gone and wrote no end: killed, or the machine went down
  elsewhere,    ///< has no end; its process is of another machine or container: it may run
};
/// "running", "ended", "interrupted", "elsewhere".
std::string_view standing_name(Standing standing);

struct DeployRow {
  std::string id;
  std::string command;
  std::string tag;
  std::string dest;
  std::int64_t started_at_ms = 0;
  double seconds = 0;  ///< it took, or: until now, or until it was last heard of
  std::size_t hosts = 0;
  std::size_t good = 0;
  std::size_t failed = 0;
  Standing standing = Standing::ended;
  std::optional<int> exit_status;  ///< when it ended
  std::int64_t pid = 0;
  std::string machine;
};

struct RecordedDeploy {
  DeployRow row;
  FleetReport report;
};

struct LogLine {
  std::string host;
  double seconds = 0;  ///< since the command began
  std::string source;
  std::string text;  ///< may have many lines, any bytes
};

struct LoggedHost {
  std::string host;
  std::size_t entries = 0;
  std::uint64_t bytes = 0;
  std::string last_source;
};

/// One thread. Every call throws Error{failed} when the file cannot be read.
class History {
 public:
  /// A file that is not there is an empty history. Waits two seconds for other processes.
  static History open(const std::filesystem::path& path, std::int64_t now_ms);

  /// The latest first, at most so many.
  std::vector<DeployRow> deploys(std::size_t limit);
  /// The ids that `part` may mean: that one; else those that begin with it, else those that end
  /// with it ("3fa2"). The latest first; empty `part`: the latest alone.
  std::vector<std::string> matching(std::string_view part, std::size_t limit = 10);
  /// The only id that matching() finds. Throws Error{usage} when there is none or several, naming
  /// those that come near.
  std::string resolve(std::string_view part);
  /// nullopt when there is no deploy of that id.
  std::optional<RecordedDeploy> find(const std::string& id);
  /// In the order in which they were written.
  std::vector<LogLine> logs(const std::string& id, const std::string& host);
  std::vector<LoggedHost> logged_hosts(const std::string& id);

 private:
  History(std::filesystem::path path, std::optional<Database> database, std::int64_t now_ms);

  std::filesystem::path path_;
  std::optional<Database> database_;  // none: empty
  std::int64_t now_ms_;
};

}  // namespace murder::fleet
