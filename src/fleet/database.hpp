// SQLite, as far as the local record needs it: handles that close themselves, errors that are
// thrown. One thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/units.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace murder::fleet {

/// Error{failed} "cannot … PATH: …", with what SQLite says of it.
class DatabaseError : public Error {
 public:
  DatabaseError(const std::string& message, int code)
      : Error(ErrorKind::failed, message), code_(code) {}
  /// The file is no database, or is damaged: it will not get better.
  bool is_corrupt() const;
  /// Others held it longer than we wait.
  bool is_locked() const;

 private:
  int code_;  // SQLite's primary result code
};

class Database;

/// A prepared statement; the Database must outlive it. Columns and parameters are numbered from 0
/// and filled in order.
class Statement {
 public:
  Statement(Database& database, const char* sql);

  Statement& bind(std::int64_t value);
  Statement& bind(std::uint64_t value) { return bind(static_cast<std::int64_t>(value)); }
  Statement& bind(int value) { return bind(static_cast<std::int64_t>(value)); }
  Statement& bind(bool value) { return bind(static_cast<std::int64_t>(value)); }
  Statement& bind(double value);
  Statement& bind(std::string_view text);
  Statement& bind(const std::string& text) { return bind(std::string_view(text)); }
  Statement& bind(const char*) = delete;  // would be a bool
  Statement& bind_null();
  template <class T>
  Statement& bind(const std::optional<T>& value) {
    return value ? bind(*value) : bind_null();
  }

  /// The next row; false after the last, and then, as after run(), it can be bound anew.
  bool next();
  /// For statements without rows.
  void run();

  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  std::optional<double> maybe_real(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  void reset();
  void check(int code);

  Database& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
};

class Database {
 public:
  /// A file that is there (it may be empty), for writing where we may. Others' locks are waited for
  /// so long, here and later.
  Database(std::filesystem::path path, Duration wait_for_locks);
  void wait_for_locks(Duration time);

  void execute(const char* sql);
  std::int64_t value_of(const char* sql);
  /// Rows that the last statement changed.
  int changes() const;
  const std::filesystem::path& path() const { return path_; }
  /// Throws what SQLite says of the last call; `doing`: "cannot write".
  [[noreturn]] void fail(std::string_view doing, int code) const;

 private:
  friend class Statement;
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  std::filesystem::path path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

/// All of it or nothing: rolled back unless commit() was called.
class Transaction {
 public:
  enum class Kind { read, write };
  Transaction(Database& database, Kind kind);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database* database_;  // null once committed
};

}  // namespace murder::fleet
