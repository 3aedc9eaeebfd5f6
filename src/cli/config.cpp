#include "cli/config.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace murder::cli {
namespace {

constexpr std::uint64_t longest_file_bytes = 1u << 20;

std::string origin_of(const std::string& file, const toml::source_region& where) {
  return fmt::format("{}:{}", file, where.begin.line);
}

[[noreturn]] void refuse(const std::string& origin, const std::string& reason) {
  throw Error(ErrorKind::usage, fmt::format("{}: {}", origin, reason));
}

/// As the command line would have it; nullopt for what no flag can be.
std::optional<std::string> text_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  return std::nullopt;
}

Setting setting_of(const toml::node& node, const std::string& origin, const std::string& key) {
  Setting setting{{}, origin, false};
  const auto add = [&](const toml::node& value) {
    const auto text = text_of(value);
    if (!text) refuse(origin, fmt::format("'{}' is to be a text, a number, true or false", key));
    setting.values.push_back(*text);
  };
  if (const toml::array* list = node.as_array())
    for (const toml::node& value : *list) add(value);
  else
    add(node);
  return setting;
}

bool any_command_has(const FlagTable& flags, const std::string& flag) {
  return std::ranges::any_of(flags, [&](const auto& entry) { return entry.second.contains(flag); });
}

std::string to_variable(const std::string& name) {
  std::string out;
  for (const char c : name)
    out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

ConfigFile ConfigFile::read(const std::filesystem::path& path, const FlagTable& flags) {
  return parse(read_file(path, longest_file_bytes), path.string(), flags);
}

ConfigFile ConfigFile::parse(std::string_view text, const std::string& name,
                             const FlagTable& flags) {
  toml::table root;
  try {
    root = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    refuse(origin_of(name, error.source()), std::string(error.description()));
  }
  ConfigFile file;
  for (const auto& [key_node, node] : root) {
    const std::string key = printable(key_node.str());
    const std::string origin = origin_of(name, key_node.source());
    const toml::table* const table = node.as_table();
    if (table == nullptr) {
      if (!any_command_has(flags, key)) refuse(origin, fmt::format("no command has --{}", key));
      file.tables_[""][key] = setting_of(node, origin, key);
      continue;
    }
    const auto command = flags.find(key);
    if (key.empty() || command == flags.end())
      refuse(origin, fmt::format("there is no command '{}'", key));
    for (const auto& [flag_node, value] : *table) {
      const std::string flag = printable(flag_node.str());
      const std::string place = origin_of(name, flag_node.source());
      if (!command->second.contains(flag) && !flags.at("").contains(flag))
        refuse(place, fmt::format("murder {} has no --{}", key, flag));
      file.tables_[key][flag] = setting_of(value, place, flag);
    }
  }
  return file;
}

std::optional<Setting> ConfigFile::find(const std::string& command, const std::string& flag) const {
  for (const std::string& table : {command, std::string()}) {
    const auto found = tables_.find(table);
    if (found == tables_.end()) continue;
    const auto entry = found->second.find(flag);
    if (entry == found->second.end()) continue;
    Setting setting = entry->second;
    setting.is_general = table.empty();
    return setting;
  }
  return std::nullopt;
}

std::optional<Setting> find_in_environment(
    const std::string& command, const std::string& flag,
    const std::function<const char*(const std::string&)>& variable) {
  const std::string general = "MURDER_" + to_variable(flag);
  for (const std::string& name :
       {"MURDER_" + to_variable(command) + "_" + to_variable(flag), general}) {
    const char* const value = variable(name);
    if (value != nullptr && *value != '\0') return Setting{{value}, name, name == general};
  }
  return std::nullopt;
}

std::vector<std::filesystem::path> config_paths(
    const std::function<const char*(const std::string&)>& variable) {
  std::vector<std::filesystem::path> paths{"./murder.toml"};
  const auto set = [&](const char* name) {
    const char* const value = variable(name);
    return value != nullptr && *value != '\0' ? value : nullptr;
  };
  if (const char* const config = set("XDG_CONFIG_HOME"))
    paths.push_back(std::filesystem::path(config) / "murder/murder.toml");
  else if (const char* const home = set("HOME"))
    paths.push_back(std::filesystem::path(home) / ".config/murder/murder.toml");
  paths.emplace_back("/etc/murder/murder.toml");
  return paths;
}

}  // namespace murder::cli
