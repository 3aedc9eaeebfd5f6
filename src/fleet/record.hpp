// The local record of deploys: what `murder status`, `history` and `logs` read (history.hpp), also
// while the deploy runs and when its process has died.
//
// A record that cannot be written never fails a deploy, nor holds it up: a thread of its own
// writes, what it is given in 0.2 s in one transaction, and waits for the disk and for other murder
// processes. When it cannot, there is one warning, and nothing is recorded any more. 5,000 hosts
// cost it 20 ms of processor for each state that all of them come to, and the caller 1 ms.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/units.hpp"
#include "fleet/record_writer.hpp"
#include "fleet/report.hpp"

namespace murder::fleet {

struct RecordOptions {
  std::filesystem::path path;            ///< record_path(), see record_file.hpp
  std::function<std::int64_t()> now_ms;  ///< since 1970; empty: the system's clock. Any thread
  RecordLimits limits;
  Duration write_every = std::chrono::milliseconds(200);
  Duration wait_for_locks = std::chrono::seconds(4);  ///< of other processes
  /// What flush(), finish() and the destructor wait at most; a thread that hangs in a dead disk is
  /// left behind.
  Duration patience = std::chrono::seconds(5);
};

/// One thread. Nothing throws but for lack of memory.
class Record {
 public:
  /// Called at most twice (a damaged file was moved aside; nothing is recorded any more), from
  /// within the functions below.
  using Warn = std::function<void(const std::string&)>;

  /// Does not wait: a file that cannot be opened is warned of when that turns out. The thread takes
  /// no signals.
  static Record open(RecordOptions options, Warn warn);
  /// Keeps nothing, warns of nothing.
  static Record none();
  Record(Record&&) noexcept;
  Record& operator=(Record&&) noexcept;
  ~Record();

  /// A command begins, with its hosts; again: the whole as it is now. Older deploys beyond the
  /// limits are removed.
  void begin(const FleetReport& report);
  /// When a host's state changes; of a deploy that has begun.
  void update_host(const std::string& deploy, const HostReport& host);
  /// What a hook, a check or an error printed; `source` says which ("pre-activate", "check", …).
  /// Beyond the limits the middle of a text is left out, then what comes later; both are said.
  void log(const std::string& deploy, const std::string& host, std::string_view source,
           std::string_view text);
  /// The end: the report once more as a whole, and the exit status. Returns when it is written.
  void finish(const FleetReport& report, int exit_status);
  /// Returns when all is written, or cannot be.
  void flush();
  /// False when nothing is recorded (any more).
  bool works() const;

 private:
  struct Shared;
  struct Begun {
    Goal goal;
    std::int64_t started_at_ms;
    std::size_t log_bytes = 0;
    std::map<std::string, std::size_t> log_bytes_of_host;
  };
  Record() = default;
  void hand_over(std::function<void(RecordWriter&)> work);
  void say_warnings();

  RecordOptions options_;
  Warn warn_;
  std::map<std::string, Begun> begun_;
  std::shared_ptr<Shared> shared_;  ///< null: keeps nothing
};

}  // namespace murder::fleet
