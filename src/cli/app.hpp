// The command line: one file a command, put together here into the programs that there are.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/commands.hpp"

namespace murder::cli {

/// A program, as its main() knows it.
struct Program {
  const char* description;
  const char* examples;
  void (*add_commands)(CLI::App& app, Action& action);
};

/// Parses, runs, reports; returns the exit status (0, or the kind of the error that ended the
/// command).
int run(const Program& program, int argc, char** argv);

}  // namespace murder::cli
