// The command line: one file a command, put together here.
#pragma once

namespace murder::cli {

/// Parses, runs, reports; returns the exit status (0, or the kind of the error that ended the
/// command).
int run(int argc, char** argv);

}  // namespace murder::cli
