// Gives flags the values that the environment and configuration files have for them, below what the
// command line says.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/config.hpp"

namespace murder::cli {

/// These flags of a command say one thing between them: the command line, variable or table that
/// comes first and has any of them has them all, so that nothing of a file is added to what is
/// typed.
void configured_as_one(std::initializer_list<CLI::Option*> flags);
/// Only what is for its command alone sets this flag: those of other commands by the same name mean
/// something else.
void configured_by_its_command(CLI::Option& flag);

class ConfiguredFlags {
 public:
  using Variable = std::function<const char*(const std::string&)>;

  /// Reads the files that are there. Throws Error{usage} naming file and line.
  ConfiguredFlags(const CLI::App& app, Variable variable,
                  const std::vector<std::filesystem::path>& files);

  /// Before parsing: a required flag that is configured need not be on the command line.
  void relax_required(CLI::App& app) const;
  /// After parsing: sets what the command line left open, for `command` and for every command.
  /// Throws Error{usage} naming the origin of a value that a flag cannot take.
  void apply(CLI::App& app, CLI::App& command);
  /// `message` with the origin of the flag at its beginning, "--timeout: …", if it was set here.
  std::string with_origin(const std::string& message) const;

 private:
  /// `rank`: how near it is to the command line, which has 0.
  struct Found {
    Setting setting;
    std::size_t rank = 0;
  };
  std::optional<Found> find(const std::string& command, const CLI::Option& option) const;
  void apply_to(CLI::App& owner, const std::string& command);

  Variable variable_;
  std::vector<ConfigFile> files_;
  std::map<std::string, std::string> applied_;  ///< flag → origin
};

}  // namespace murder::cli
