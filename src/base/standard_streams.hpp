// Standard input, output and error of a process that nobody listens to any more.
#pragma once

namespace murder {

/// From now on descriptor 0 is at its end and what is written to 1 and 2 is lost; nobody waits for
/// them to be closed any more. Where there is no /dev/null (an empty chroot) writing fails, with
/// EPIPE: SIGPIPE must be ignored. Throws Error{failed}.
void let_go_of_standard_streams();

}  // namespace murder
