// What can go wrong, as the user and the exit status will see it.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace murder {

/// The exit status of a command is the kind of the error that ended it.
enum class ErrorKind {
  failed = 1,       ///< it was tried and did not work
  usage = 2,        ///< usage or configuration
  partial = 3,      ///< some hosts have it and some do not
  unreachable = 4,  ///< a host, tracker or seeder cannot be reached
  integrity = 5,    ///< something did not match its digest
  interrupted = 130,
  terminated = 143,
};

/// An error names the operation, the object and, where there is one, the way out:
/// "cannot open /srv/app/releases/v7.partial: no space left (needed 312 MB, 40 MB free)".
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }
  int exit_status() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

/// Throws Error{failed} "OPERATION OBJECT: REASON" with the reason from `error_number`.
[[noreturn]] void throw_system_error(std::string_view operation, std::string_view object,
                                     int error_number);
/// The system's own words for an errno value, without a trailing newline: "No such file or
/// directory".
std::string system_reason(int error_number);

/// Text from outside made fit for one line of a terminal: controls and what is not UTF-8 as \xNN,
/// cut at about `limit` bytes, between characters.
std::string printable(std::string_view text, std::size_t limit = 200);

}  // namespace murder
