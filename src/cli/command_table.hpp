// The command line as a table, read from what the parser knows: --help, man pages, completions and
// the example configuration are four ways to write it down. Hidden commands and flags are not in
// it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace murder::cli {

/// What a shell can offer for a value.
enum class Wants { nothing, file, folder };

struct FlagRow {
  std::vector<std::string> names;  ///< "-o", "--output"; the short ones first
  std::string value;               ///< "FILE"; empty: takes none
  std::string text;
  bool required = false;
  bool repeatable = false;
  bool configurable = false;       ///< by files and the environment
  std::vector<std::string> words;  ///< that the value may be, among others
  Wants wants = Wants::nothing;

  /// "-o, --output FILE".
  std::string shown() const;
  /// "output": as files and the environment name it.
  std::string long_name() const;
};

struct ArgumentRow {
  std::string name;
  std::string text;
  bool required = false;
  std::vector<std::string> words;
  Wants wants = Wants::nothing;
};

struct CommandRow {
  std::string name;
  std::string text;
  std::string examples;
  std::vector<ArgumentRow> arguments;
  std::vector<FlagRow> flags;

  /// "murder pack SOURCE --output FILE [OPTION]..."
  std::string usage(const std::string& program) const;
};

struct CommandTable {
  CommandRow program;  ///< its flags are those of every command; without --help
  FlagRow help;        ///< which every command has
  std::vector<CommandRow> commands;
};

/// Words that the option's value may be, for completions: "swarm none forever". They restrict
/// nothing. (CLI11's text for a default is where they are kept; --help is ours and has no use for
/// it.)
void offers(CLI::Option& option, const std::string& words);

CommandRow command_row(const CLI::App& command);
/// Of an app that has all its commands.
CommandTable command_table(const CLI::App& app);

}  // namespace murder::cli
