// The log: what happened, for the one who is on call. Lines on stderr; never data, never secrets.
#pragma once

#include <fmt/format.h>
#include <memory>
#include <string_view>

namespace murder {

enum class LogLevel { debug, info, warning, error, off };

/// Handed to whoever has something to say; may be shared between threads. Copies write to the
/// same place.
class Log {
 public:
  /// To stderr, as "12:04:31.118 warning: …" (local time).
  explicit Log(LogLevel level);
  /// Says nothing: for tests and simulations.
  static Log silent();

  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(LogLevel::debug))
      write(LogLevel::debug, fmt::vformat(format, fmt::make_format_args(args...)));
  }
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(LogLevel::info))
      write(LogLevel::info, fmt::vformat(format, fmt::make_format_args(args...)));
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(LogLevel::warning))
      write(LogLevel::warning, fmt::vformat(format, fmt::make_format_args(args...)));
  }
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(LogLevel::error))
      write(LogLevel::error, fmt::vformat(format, fmt::make_format_args(args...)));
  }
  bool enabled(LogLevel level) const;

 private:
  struct Impl;
  explicit Log(std::shared_ptr<Impl> impl);
  void write(LogLevel level, std::string_view line);
  std::shared_ptr<Impl> impl_;
};

}  // namespace murder
