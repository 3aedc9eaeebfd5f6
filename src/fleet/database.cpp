#include "fleet/database.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <utility>

namespace murder::fleet {
bool DatabaseError::is_corrupt() const { return code_ == SQLITE_CORRUPT || code_ == SQLITE_NOTADB; }
bool DatabaseError::is_locked() const { return code_ == SQLITE_BUSY || code_ == SQLITE_LOCKED; }

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Database::Close::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

Database::Database(std::filesystem::path path, Duration patience) : path_(std::move(path)) {
  sqlite3* handle = nullptr;
  // One thread at a time: SQLite need not lock against ourselves.
  const int code =
      sqlite3_open_v2(path_.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) fail("open", code);
  wait_for_locks(patience);
}

void Database::wait_for_locks(Duration time) {
  sqlite3_busy_timeout(handle_.get(), static_cast<int>(to_seconds(time) * 1000));
}

void Database::fail(std::string_view doing, int code) const {
  const int primary = code & 0xff;
  std::string reason = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
  const int system = handle_ ? sqlite3_system_errno(handle_.get()) : 0;
  if (system != 0 && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN))
    reason += fmt::format(" ({})", system_reason(system));
  throw DatabaseError(
      fmt::format("cannot {} {}: {}", doing, printable(path_.string(), 4096), reason), primary);
}

void Database::execute(const char* sql) {
  const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail("use", code);
}

std::int64_t Database::value_of(const char* sql) {
  Statement statement(*this, sql);
  return statement.next() ? statement.integer(0) : 0;
}

int Database::changes() const { return sqlite3_changes(handle_.get()); }

Statement::Statement(Database& database, const char* sql) : database_(database) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(database.handle_.get(), sql, -1, &statement, nullptr);
  statement_.reset(statement);
  if (code != SQLITE_OK) database.fail("use", code);
}

void Statement::check(int code) {
  if (code != SQLITE_OK) database_.fail("use", code);
}

Statement& Statement::bind(std::int64_t value) {
  check(sqlite3_bind_int64(statement_.get(), ++bound_, value));
  return *this;
}

Statement& Statement::bind(double value) {
  check(sqlite3_bind_double(statement_.get(), ++bound_, value));
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  // A null pointer would be NULL, not "".
  const char* const data = text.data() == nullptr ? "" : text.data();
  check(sqlite3_bind_text64(statement_.get(), ++bound_, data, text.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_null() {
  check(sqlite3_bind_null(statement_.get(), ++bound_));
  return *this;
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  bound_ = 0;
}

bool Statement::next() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  try {
    database_.fail("use", code);
  } catch (...) {
    reset();
    throw;
  }
}

void Statement::run() {
  while (next()) continue;
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double Statement::real(int column) const { return sqlite3_column_double(statement_.get(), column); }

std::string Statement::text(int column) const {
  const unsigned char* const data = sqlite3_column_text(statement_.get(), column);
  if (data == nullptr) return {};
  return {reinterpret_cast<const char*>(data),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::optional<double> Statement::maybe_real(int column) const {
  return is_null(column) ? std::nullopt : std::optional(real(column));
}

Transaction::Transaction(Database& database, Kind kind) : database_(&database) {
  // A writer takes its lock at once: one that read first could never get it while others wait.
  database.execute(kind == Kind::write ? "BEGIN IMMEDIATE" : "BEGIN");
}

Transaction::~Transaction() {
  if (database_ == nullptr) return;
  try {
    database_->execute("ROLLBACK");
  } catch (const Error&) {
    // SQLite rolls back by itself after the worst errors; there is nothing left to undo then.
  }
}

void Transaction::commit() {
  database_->execute("COMMIT");
  database_ = nullptr;
}

}  // namespace murder::fleet
