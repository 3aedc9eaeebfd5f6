#include "fleet/record_file.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <utility>

#include "base/file.hpp"

namespace murder::fleet {
namespace {

/// "murd": tells our database from others (SQLite's file format, offset 68).
constexpr std::int64_t application_id = 0x6d757264;

constexpr std::array<const char*, 2> steps = {R"sql(
  CREATE TABLE deploys(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    command TEXT NOT NULL,
    goal TEXT NOT NULL,
    tag TEXT NOT NULL,
    dest TEXT NOT NULL,
    source TEXT NOT NULL,
    origin TEXT NOT NULL,
    started_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    seconds REAL,
    exit_status INTEGER,
    signal INTEGER,
    rolled_back INTEGER NOT NULL,
    stopped INTEGER NOT NULL,
    problem TEXT NOT NULL,
    notes TEXT NOT NULL,
    pid INTEGER NOT NULL,
    pid_started INTEGER NOT NULL,
    machine TEXT NOT NULL,
    boot TEXT NOT NULL,
    numbering TEXT NOT NULL
  );
  CREATE INDEX deploys_by_time ON deploys(started_at_ms);
  CREATE TABLE hosts(
    deploy INTEGER NOT NULL,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    good INTEGER NOT NULL,
    failed_in TEXT,
    failure TEXT,
    reason TEXT NOT NULL,
    live_tag TEXT NOT NULL,
    previous_tag TEXT NOT NULL,
    reached_s REAL,
    staged_s REAL,
    activated_s REAL,
    checked_s REAL,
    fetched_bytes INTEGER NOT NULL,
    resumed_bytes INTEGER NOT NULL,
    fed_bytes INTEGER NOT NULL,
    wave INTEGER NOT NULL,
    notes TEXT NOT NULL,
    PRIMARY KEY(deploy, name)
  ) WITHOUT ROWID;
  CREATE TABLE logs(
    number INTEGER PRIMARY KEY,
    deploy INTEGER NOT NULL,
    host TEXT NOT NULL,
    seconds REAL NOT NULL,
    source TEXT NOT NULL,
    text TEXT NOT NULL
  );
  CREATE INDEX logs_by_host ON logs(deploy, host);
)sql",
                                              "ALTER TABLE hosts ADD COLUMN complete_s REAL"};

/// Holds other processes back that would do the same in this folder. Where the filesystem has no
/// such locks we go on without.
UniqueFd lock_folder(const std::filesystem::path& folder) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) ::flock(fd.get(), LOCK_EX);
  return fd;
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

void make_folders(const std::filesystem::path& folder) {
  if (folder.empty() || ::mkdir(folder.c_str(), S_IRWXU) == 0 || errno == EEXIST) return;
  if (errno == ENOENT) {
    make_folders(folder.parent_path());
    if (::mkdir(folder.c_str(), S_IRWXU) == 0 || errno == EEXIST) return;
  }
  throw_system_error("cannot make", folder.string(), errno);
}

Database open_up_to_date(const std::filesystem::path& path, Duration wait_for_locks) {
  Database database(path, wait_for_locks);
  migrate(database, steps);
  return database;
}

std::filesystem::path name_aside(const std::filesystem::path& path, std::int64_t now_ms) {
  const std::string name = fmt::format("{}.damaged-{:%Y%m%d-%H%M%S}", path.string(),
                                       fmt::gmtime(static_cast<std::time_t>(now_ms / 1000)));
  std::string free = name;
  for (int i = 2; std::filesystem::exists(free); ++i) free = fmt::format("{}-{}", name, i);
  return free;
}

bool is_damaged(const std::filesystem::path& path, Duration wait_for_locks) {
  try {
    Database database(path, wait_for_locks);
    Statement check(database, "PRAGMA quick_check(1)");
    return !check.next() || check.text(0) != "ok";
  } catch (const DatabaseError& error) {
    return error.is_corrupt();
  }
}

}  // namespace

std::filesystem::path record_path(const std::function<const char*(const char*)>& variable) {
  const auto value = [&](const char* name) {
    const char* const text = variable(name);
    return std::string(text == nullptr ? "" : text);
  };
  if (const std::string path = value("MURDER_HISTORY"); !path.empty()) return path;
  // A relative one is to be ignored (XDG Base Directory Specification).
  if (const std::string state = value("XDG_STATE_HOME"); state.starts_with('/'))
    return std::filesystem::path(state) / "murder" / "history.db";
  if (const std::string home = value("HOME"); !home.empty())
    return std::filesystem::path(home) / ".local" / "state" / "murder" / "history.db";
  throw Error(ErrorKind::failed,
              "no place for the history: HOME is not set; MURDER_HISTORY=FILE names one");
}

void migrate(Database& database, std::span<const char* const> to) {
  const auto version = [&] { return database.value_of("PRAGMA user_version"); };
  const auto last = static_cast<std::int64_t>(to.size());
  const auto refuse = [&](const char* why) {
    throw Error(ErrorKind::failed,
                fmt::format("cannot use {}: {}", printable(database.path().string(), 4096), why));
  };
  const auto is_ours = [&] { return database.value_of("PRAGMA application_id") == application_id; };
  if (version() == last && is_ours()) return;

  Transaction transaction(database, Transaction::Kind::write);
  const std::int64_t now = version();  // another process may have been here
  const bool is_new = now == 0 && database.value_of("SELECT count(*) FROM sqlite_schema") == 0;
  if (!is_new && !is_ours()) refuse("it is a database, but no history of murder");
  if (now > last) refuse("it is of a newer murder; update this one, or set MURDER_HISTORY=FILE");
  for (std::int64_t step = now; step < last; ++step)
    database.execute(to[static_cast<std::size_t>(step)]);
  database.execute(fmt::format("PRAGMA application_id={}", application_id).c_str());
  database.execute(fmt::format("PRAGMA user_version={}", last).c_str());
  transaction.commit();
}

std::string move_damaged_aside(const std::filesystem::path& path, std::int64_t now_ms,
                               Duration wait_for_locks) {
  const UniqueFd lock = lock_folder(folder_of(path));
  if (!is_damaged(path, wait_for_locks)) return {};
  const std::filesystem::path aside = name_aside(path, now_ms);
  if (::rename(path.c_str(), aside.c_str()) != 0)
    throw_system_error("cannot move aside the damaged", path.string(), errno);
  // Its journal must not be taken for that of the next one.
  ::rename((path.string() + "-journal").c_str(), (aside.string() + "-journal").c_str());
  return fmt::format("{} was damaged: it is {} now, and a new history begins",
                     printable(path.string(), 4096), printable(aside.string(), 4096));
}

OpenedRecord open_record(const std::filesystem::path& path, std::int64_t now_ms,
                         Duration wait_for_locks) {
  make_folders(path.parent_path());
  const auto open_it = [&] {
    // Made by us, so that nobody else may read it whatever the umask; the journal inherits it.
    open_file(path, O_RDWR | O_CREAT, S_IRUSR | S_IWUSR);
    return open_up_to_date(path, wait_for_locks);
  };
  try {
    return {open_it(), {}};
  } catch (const DatabaseError& error) {
    if (!error.is_corrupt()) throw;
  }
  std::string note = move_damaged_aside(path, now_ms, wait_for_locks);
  return {open_it(), std::move(note)};
}

std::optional<Database> open_record_to_read(const std::filesystem::path& path,
                                            Duration wait_for_locks) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory || (!error && size == 0)) return std::nullopt;
  try {
    // Not for reading alone: what a process that died in mid-transaction left is rolled back.
    return open_up_to_date(path, wait_for_locks);
  } catch (const DatabaseError& e) {
    if (!e.is_corrupt()) throw;
    throw Error(ErrorKind::failed,
                fmt::format("{}; the next deploy moves it aside and begins a new one", e.what()));
  }
}

}  // namespace murder::fleet
