// What the user's own ssh configuration says of a host: by way of which jump host it is reached,
// and as whom. Nobody but ssh can tell (Host, Match, Include, exec), so ssh is asked; and as that
// costs some milliseconds a host, only where the configuration has anything of the kind.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <string>
#include <string_view>

#include "fleet/host.hpp"
#include "fleet/ssh.hpp"

namespace murder::fleet {

struct SshSettings {
  std::string user;
  /// ProxyJump, or else ProxyCommand, as it is written; empty: none. Hosts of which it is the same
  /// share one jump host.
  std::string via;
};

/// Reads what `ssh -G` writes.
SshSettings parse_ssh_settings(std::string_view output);

/// Asks `ssh -G` for this host, for a few seconds at most. Without any settings when that does not
/// work: what is in the way of it is in the way of the session too, which says so.
boost::asio::awaitable<SshSettings> ask_ssh(boost::asio::io_context& io, const SshOptions& options,
                                            const Host& host);

/// Whether ssh can be asked: the program is called ssh. A stand-in of another name may not know -G.
bool can_be_asked(const SshOptions& options);

/// Whether any host may be behind a jump host: the options given to ssh, or a configuration file
/// that it reads, have one of ProxyJump and ProxyCommand in them. `home`: the user's. True also
/// when that cannot be known.
bool may_have_jump_hosts(const SshOptions& options, const std::filesystem::path& home);

}  // namespace murder::fleet
