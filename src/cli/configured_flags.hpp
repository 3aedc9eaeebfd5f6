// Gives flags the values that the environment and configuration files have for them, below what the
// command line says.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/config.hpp"

namespace murder::cli {

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
  std::optional<Setting> find(const std::string& command, const std::string& flag) const;
  void apply_to(CLI::App& owner, const std::string& command);

  Variable variable_;
  std::vector<ConfigFile> files_;
  std::map<std::string, std::string> applied_;  ///< flag → origin
};

}  // namespace murder::cli
