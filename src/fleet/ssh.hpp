// How a host is reached: the user's own ssh, with their configuration, agent, jump hosts and
// certificates. Here is the command line, and what an ssh that failed meant to say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "fleet/host.hpp"

namespace murder::fleet {

struct SshOptions {
  /// The program and its first arguments: $MURDER_SSH cut into words, or "ssh".
  std::vector<std::string> program = {"ssh"};
  Duration connect_timeout = std::chrono::seconds(10);
  /// Handshakes under way at once; the sessions themselves stay open.
  std::size_t concurrency = 64;
  bool sudo = false;
};

/// Cuts as a shell would, without expanding anything: words, '…', "…" and \. Throws Error{usage}
/// naming `what` for a quote that is not closed, and for no word at all.
std::vector<std::string> split_words(std::string_view text, std::string_view what);

/// ssh's command line for that host. No terminal and no questions (BatchMode): many hosts are asked
/// at once. What the user put into `program` comes first and so wins. Host keys are checked as
/// their configuration says.
std::vector<std::string> ssh_command(const SshOptions& options, const Host& host,
                                     const std::string& remote_command);

/// Why an ssh ended before the host spoke.
struct SshFailure {
  ErrorKind kind = ErrorKind::unreachable;
  /// The server drops handshakes when too many come at once (MaxStartups): trying again helps.
  bool try_again = false;
  std::string reason;  ///< one line, with a way out where there is one
};
/// `status`: its exit status, or 128 + signal. `said`: its stderr, of which what matters is picked.
SshFailure explain_ssh_failure(int status, std::string_view said);

}  // namespace murder::fleet
