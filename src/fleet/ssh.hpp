// How a host is reached: the user's own ssh, with their configuration, agent, jump hosts and
// certificates. Here is the command line, and what an ssh that failed meant to say.
#pragma once

#include <optional>
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
  /// Until sshd has spoken; three times as long until the host has answered.
  Duration connect_timeout = std::chrono::seconds(10);
  /// Handshakes under way at once; the sessions themselves stay open. Not given: 64, and of those
  /// through one jump host 8, since it takes part in each of them.
  std::optional<std::size_t> concurrency = std::nullopt;
  /// Whether the configuration has jump hosts (ssh_settings.hpp), so that ssh is asked for each
  /// host's.
  bool jump_hosts = false;
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

/// To `argv`: port, user and name of the host, which is never taken for an option.
void add_destination(std::vector<std::string>& argv, const Host& host);

/// How often a handshake that failed so is worth trying, in all.
enum class Tries {
  one,
  two,   ///< the server did not speak in time: it may be overloaded, or hang
  many,  ///< it drops handshakes when too many come at once (MaxStartups)
};

/// Why an ssh ended before the host spoke.
struct SshFailure {
  ErrorKind kind = ErrorKind::unreachable;
  Tries tries = Tries::one;
  std::string reason;  ///< one line, with a way out where there is one
};
/// `status`: its exit status, or 128 + signal. `said`: its stderr, of which what matters is picked.
/// `user`: who logs in there, for a line of sudoers; may be empty.
SshFailure explain_ssh_failure(int status, std::string_view said, std::string_view user = {});
/// Whether the name of the user who logs in there would be of use to explain it.
bool is_refused_by_sudo(int status, std::string_view said);

}  // namespace murder::fleet
