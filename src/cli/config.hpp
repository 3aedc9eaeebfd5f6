// Values for flags that the command line does not give: from the environment and from TOML files
// (docs/configuration.md). Read by ourselves, because CLI11 would put files over the environment.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace murder::cli {

/// Command → its flags, by their long names without dashes. "" has the flags of every command.
using FlagTable = std::map<std::string, std::set<std::string>>;

struct Setting {
  std::vector<std::string> values;
  std::string origin;       ///< "MURDER_PEER_TIMEOUT", "./murder.toml:3"
  bool is_general = false;  ///< for every command that has the flag
};

/// One file. Top-level keys are flags of whatever commands have them, a table holds those of the
/// command that it is named after. Everything is checked against `flags`, so that a typing error
/// is found by the first command that is run.
class ConfigFile {
 public:
  /// Throws Error{usage} "FILE:LINE: what is wrong"; Error{failed} when it cannot be read.
  static ConfigFile read(const std::filesystem::path& path, const FlagTable& flags);
  /// As read(), of this text.
  static ConfigFile parse(std::string_view text, const std::string& name, const FlagTable& flags);

  /// What it says for a flag of a command; the command's own table first.
  std::optional<Setting> find(const std::string& command, const std::string& flag) const;

 private:
  std::map<std::string, std::map<std::string, Setting>> tables_;  ///< "" is the top level
};

/// MURDER_COMMAND_FLAG, else MURDER_FLAG; dashes become underscores. An empty variable is none.
std::optional<Setting> find_in_environment(
    const std::string& command, const std::string& flag,
    const std::function<const char*(const std::string&)>& variable);

/// Where configuration files lie, the one that wins first: ./murder.toml, the user's
/// ($XDG_CONFIG_HOME or ~/.config)/murder/murder.toml, /etc/murder/murder.toml.
std::vector<std::filesystem::path> config_paths(
    const std::function<const char*(const std::string&)>& variable);

}  // namespace murder::cli
