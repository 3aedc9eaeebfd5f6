#include "cli/configured_flags.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <sstream>
#include <system_error>
#include <utility>

#include "base/error.hpp"

namespace murder::cli {
namespace {

/// Long name of a flag that may be configured; empty for arguments, --help and the like.
std::string configurable_name(const CLI::Option& option) {
  return option.nonpositional() && option.get_configurable() && !option.get_lnames().empty()
             ? option.get_lnames().front()
             : std::string();
}

std::set<std::string> flags_of(const CLI::App& app) {
  std::set<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = configurable_name(*option);
    if (!name.empty()) names.insert(name);
  }
  return names;
}

FlagTable table_of(const CLI::App& app) {
  FlagTable table{{"", flags_of(app)}};
  for (const CLI::App* command : app.get_subcommands({}))
    table[command->get_name()] = flags_of(*command);
  return table;
}

bool may_be_repeated(const CLI::Option& option) { return option.get_expected_max() > 1; }

/// Nothing else uses CLI11's groups: help is set by ourselves.
constexpr const char* own_group = "configured by its command";

/// Of flags that are configured as one; empty: by itself.
std::string group_of(const CLI::Option& option) {
  const std::string& group = option.get_group();
  return group.starts_with("as one: ") ? group : std::string();
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

}  // namespace

void configured_as_one(std::initializer_list<CLI::Option*> flags) {
  for (CLI::Option* flag : flags) flag->group("as one: " + configurable_name(**flags.begin()));
}

void configured_by_its_command(CLI::Option& flag) { flag.group(own_group); }

ConfiguredFlags::ConfiguredFlags(const CLI::App& app, Variable variable,
                                 const std::vector<std::filesystem::path>& files)
    : variable_(std::move(variable)) {
  const FlagTable table = table_of(app);
  for (const std::filesystem::path& path : files) {
    std::error_code ec;
    if (!std::filesystem::exists(path, ec) && !ec) continue;
    try {
      files_.push_back(ConfigFile::read(path, table));
    } catch (const Error& error) {
      throw Error(ErrorKind::usage, error.what());
    }
  }
}

std::optional<ConfiguredFlags::Found> ConfiguredFlags::find(const std::string& command,
                                                            const CLI::Option& option) const {
  const std::string flag = configurable_name(option);
  if (flag.empty()) return std::nullopt;
  const bool takes_general = option.get_group() != own_group;
  std::size_t rank = 1;
  const auto found = [&](std::optional<Setting> setting) -> std::optional<Found> {
    const std::size_t nearest = std::exchange(rank, rank + 2);
    if (!setting || (setting->is_general && !takes_general)) return std::nullopt;
    return Found{*setting, nearest + (setting->is_general ? 1 : 0)};
  };
  if (auto variable = found(find_in_environment(command, flag, variable_))) return variable;
  for (const ConfigFile& file : files_)
    if (auto entry = found(file.find(command, flag))) return entry;
  return std::nullopt;
}

void ConfiguredFlags::relax_required(CLI::App& app) const {
  for (CLI::App* command : app.get_subcommands({}))
    for (CLI::Option* option : command->get_options())
      if (option->get_required() && find(command->get_name(), *option)) option->required(false);
}

void ConfiguredFlags::apply(CLI::App& app, CLI::App& command) {
  apply_to(command, command.get_name());
  apply_to(app, command.get_name());
}

void ConfiguredFlags::apply_to(CLI::App& owner, const std::string& command) {
  std::map<std::string, std::size_t> nearest;  // rank, by group
  for (const CLI::Option* option : owner.get_options()) {
    const auto found = find(command, *option);
    if (option->empty() && !found) continue;
    const std::size_t rank = option->empty() ? found->rank : 0;
    const auto entry = nearest.emplace(group_of(*option), rank).first;
    entry->second = std::min(entry->second, rank);
  }
  for (CLI::Option* option : owner.get_options()) {
    const auto found = find(command, *option);
    if (!option->empty() || !found) continue;
    const std::string group = group_of(*option);
    if (!group.empty() && found->rank > nearest.at(group)) continue;
    const std::string flag = configurable_name(*option);
    const Setting& setting = found->setting;
    std::vector<std::string> values = setting.values;
    const bool from_environment = setting.origin.starts_with("MURDER_");
    if (from_environment && may_be_repeated(*option)) values = words_of(values.front());
    if (values.empty()) continue;
    if (values.size() > 1 && !may_be_repeated(*option))
      throw Error(ErrorKind::usage, fmt::format("{}: --{} takes one value", setting.origin, flag));
    try {
      if (option->get_type_size() == 0)  // a flag: "true", "2"
        values = {option->get_flag_value(flag, values.front())};
      option->add_result(values);
      option->run_callback();
    } catch (const CLI::Error&) {
      throw Error(ErrorKind::usage, fmt::format("{}: --{} cannot be '{}'", setting.origin, flag,
                                                printable(setting.values.front())));
    }
    applied_[flag] = setting.origin;
  }
}

std::string ConfiguredFlags::with_origin(const std::string& message) const {
  if (!message.starts_with("--")) return message;
  const auto found = applied_.find(message.substr(2, message.find(':') - 2));
  return found == applied_.end() ? message : fmt::format("{} (set by {})", message, found->second);
}

}  // namespace murder::cli
