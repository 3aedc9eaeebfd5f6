// The file of the local record: where it is, what is in it, and what becomes of one that cannot be
// used. docs/history.md describes the tables for those who want to ask their own questions.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/units.hpp"
#include "fleet/database.hpp"

namespace murder::fleet {

/// MURDER_HISTORY, else $XDG_STATE_HOME/murder/history.db, else ~/.local/state/murder/history.db.
/// `variable` is getenv(3). Throws Error{failed} where none of these is set.
std::filesystem::path record_path(const std::function<const char*(const char*)>& variable);

struct OpenedRecord {
  Database database;
  std::string note;  ///< worth a warning: a damaged one was moved aside; empty: nothing
};
/// For writing: makes folder (0700) and file (0600) where there are none, and brings an older one
/// up to date. One that is damaged is renamed to PATH.damaged-TIME, never deleted, and a new one
/// begun. Throws Error{failed}: it cannot be made or written, is of a newer murder, or is a
/// database of something else.
OpenedRecord open_record(const std::filesystem::path& path, std::int64_t now_ms,
                         Duration wait_for_locks);
/// For reading; nullopt when there is none. Throws Error{failed}, also for a damaged one.
std::optional<Database> open_record_to_read(const std::filesystem::path& path,
                                            Duration wait_for_locks);

/// Renames a damaged record (and its journal) away, unless another process has done so meanwhile.
/// Says what it did: "… was damaged: it is … now"; Error{failed} when it cannot.
std::string move_damaged_aside(const std::filesystem::path& path, std::int64_t now_ms,
                               Duration wait_for_locks);

/// Each step takes the tables from one version to the next; user_version counts those done. Steps
/// are only ever added. All or nothing; processes that do it at once do it once. Throws
/// Error{failed} for a version beyond the last step, and for tables of something else.
void migrate(Database& database, std::span<const char* const> steps);

}  // namespace murder::fleet
