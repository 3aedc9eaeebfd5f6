// The command line written down: man pages, completions for three shells, an example configuration.
// From the table that --help is made of, so that none of them can say anything else.
#pragma once

#include <string>

#include "cli/command_table.hpp"

namespace murder::cli {

/// man(7), of the program or of one of its commands. `date`: "2026-11-29".
std::string man_page(const CommandTable& table, const std::string& date);
std::string man_page(const CommandTable& table, const CommandRow& command, const std::string& date);

std::string bash_completion(const CommandTable& table);
std::string zsh_completion(const CommandTable& table);
std::string fish_completion(const CommandTable& table);

/// TOML: every key of every command, commented out, with what it means and what it is if nobody
/// says anything.
std::string example_config(const CommandTable& table);

}  // namespace murder::cli
