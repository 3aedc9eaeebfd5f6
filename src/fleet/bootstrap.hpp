// How the static binary gets onto a host: a conversation with the host's own shell over the stdin
// and stdout of an ssh session, which ends with the binary in the shell's place.
//
// A state machine without I/O. Whoever holds the session:
//   1. runs remote_command() on the host and writes first_line() to it;
//   2. hands what comes on stdout to on_output(), and the end of it to on_end();
//   3. on NeedsBinary and FetchFailed writes what fetch() or take() gives (after take()'s line the
//      compressed binary itself), or closes stdin to give up;
//   4. on Running has the binary at the other end; Running::rest is what it has said already.
// Nothing else is written to the host before Running. There is no clock in here: a host that says
// nothing is for the caller to give up on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "fleet/bootstrap_script.hpp"

namespace murder::fleet {

/// For ssh, as one argument. Means the same to bash, dash, zsh, csh, tcsh and fish as login shell.
std::string remote_command(bool sudo);

struct BootstrapOptions {
  /// Marks the script's lines among what a profile writes: letters and digits, new for each
  /// session.
  std::string nonce;
  /// One for each kind of machine that there is a build for.
  std::vector<BootstrapBinary> binaries;
  std::string dest;
  std::vector<std::string> arguments;  ///< of the binary
};

/// Nothing to do until more comes.
struct Waiting {};
/// The host has not got it. There may be none for its machine.
struct NeedsBinary {
  std::string machine;      ///< as machine_name() has it
  bool unpacks_xz = false;  ///< or so it says
  std::string client;       ///< address that we come from, as it says; may be empty
};
/// What fetch() asked for, or take() of xz, did not work: fetch() from elsewhere, or take() of
/// gzip.
struct FetchFailed {
  std::string reason;
};
struct Running {
  std::string path;  ///< of the binary on the host
  std::string rest;  ///< came after the script's last line
};
/// The shell has ended, or is to be ended: close the session.
struct Failed {
  std::string reason;
};
using BootstrapStep = std::variant<Waiting, NeedsBinary, FetchFailed, Running, Failed>;

class BootstrapDialogue {
 public:
  /// Error{usage} when DEST or an argument has a newline or NUL in it, which the script cannot
  /// carry.
  explicit BootstrapDialogue(BootstrapOptions options);

  const std::string& first_line() const { return first_line_; }

  /// What was written on stdout, in pieces of any size. Not to be called after Running or Failed.
  BootstrapStep on_output(std::string_view bytes);
  /// stdout has ended before Running. The reason quotes the last that came, if anything did.
  Failed on_end() const;

  /// The line that makes the host fetch `binary` from there, within that time: uncompressed, or
  /// gzip if the URL ends in ".gz". `url`: "http://ADDRESS:PORT/PATH" of plain characters.
  std::string fetch(const BootstrapBinary& binary, const std::string& url, std::uint32_t seconds);
  /// The line after which so many bytes follow on stdin.
  std::string take(const BootstrapBinary& binary, Packing packing, std::uint64_t bytes);

 private:
  BootstrapStep on_line(std::string_view line);
  std::string with_definitions(const BootstrapBinary& binary, const std::string& command);

  std::string marker_;
  std::string first_line_;
  std::string pending_;     ///< a line's beginning
  std::string last_noise_;  ///< the last line that was not the script's
  std::size_t noise_bytes_ = 0;
  bool defined_ = false;  ///< install_definitions() was sent
};

}  // namespace murder::fleet
