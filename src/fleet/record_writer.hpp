// What the local record is made of, a row at a time. One thread; record.hpp is what deploys use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/process_identity.hpp"
#include "fleet/database.hpp"
#include "fleet/report.hpp"

namespace murder::fleet {

/// What is kept.
struct RecordLimits {
  std::size_t deploys = 500;
  std::int64_t days = 90;
  std::uint64_t bytes = 512_MiB;  ///< of the whole file
  std::size_t log_bytes_of_entry = 64_KiB;
  std::size_t log_bytes_of_host = 256_KiB;  ///< in one deploy
  std::size_t log_bytes_of_deploy = 64_MiB;
};

/// Every call throws DatabaseError, and belongs into a transaction of the caller's. A deploy that
/// is not there yet is not written to.
class RecordWriter {
 public:
  RecordWriter(Database& database, ProcessIdentity process);

  /// The deploy and its hosts as they are; again: brings both up to date.
  void put(const FleetReport& report, std::int64_t now_ms);
  void put_host(const std::string& deploy, const HostReport& host, Goal goal);
  void add_log(const std::string& deploy, const std::string& host, double seconds,
               const std::string& source, const std::string& text);
  /// It was still at work at this time.
  void touch(const std::string& deploy, std::int64_t now_ms);
  void end(const std::string& deploy, double seconds, int exit_status);
  /// Removes what is beyond the limits, oldest first, but not `keep` nor what runs.
  void prune(const RecordLimits& limits, const std::string& keep, std::int64_t now_ms);

 private:
  std::int64_t number_of(const std::string& deploy);
  void put_row(std::int64_t number, const HostReport& host, Goal goal, std::int64_t position);
  void remove(std::int64_t number);

  Database& database_;
  const ProcessIdentity process_;
  Statement put_deploy_;
  Statement number_;
  Statement touch_;
  Statement update_host_;
  Statement insert_host_;
  Statement next_position_;
  Statement insert_log_;
  Statement end_;
  std::string last_deploy_;  ///< whose number is known
  std::int64_t last_number_ = 0;
};

}  // namespace murder::fleet
