// Process-wide signal settings that sockets need.
#pragma once

namespace murder::net {

/// A write to a connection that the peer has closed fails with EPIPE instead of ending the process.
/// sendfile(2) has no MSG_NOSIGNAL, so every program that uploads calls this once, before its first
/// connection. The signal gets an empty handler rather than SIG_IGN: exec(2) puts handlers back to
/// the default, so that child processes are not affected. A handler set earlier is left in place.
void ignore_sigpipe();

}  // namespace murder::net
