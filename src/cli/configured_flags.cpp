#include "cli/configured_flags.hpp"

#include <fmt/format.h>
#include <sstream>
#include <system_error>

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

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

}  // namespace

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

std::optional<Setting> ConfiguredFlags::find(const std::string& command,
                                             const std::string& flag) const {
  if (auto setting = find_in_environment(command, flag, variable_)) return setting;
  for (const ConfigFile& file : files_)
    if (auto setting = file.find(command, flag)) return setting;
  return std::nullopt;
}

void ConfiguredFlags::relax_required(CLI::App& app) const {
  for (CLI::App* command : app.get_subcommands({})) {
    for (CLI::Option* option : command->get_options()) {
      const std::string flag = configurable_name(*option);
      if (!flag.empty() && option->get_required() && find(command->get_name(), flag))
        option->required(false);
    }
  }
}

void ConfiguredFlags::apply(CLI::App& app, CLI::App& command) {
  apply_to(command, command.get_name());
  apply_to(app, command.get_name());
}

void ConfiguredFlags::apply_to(CLI::App& owner, const std::string& command) {
  for (CLI::Option* option : owner.get_options()) {
    const std::string flag = configurable_name(*option);
    if (flag.empty() || !option->empty()) continue;
    const auto setting = find(command, flag);
    if (!setting) continue;
    std::vector<std::string> values = setting->values;
    const bool from_environment = setting->origin.starts_with("MURDER_");
    if (from_environment && may_be_repeated(*option)) values = words_of(values.front());
    if (values.empty()) continue;
    if (values.size() > 1 && !may_be_repeated(*option))
      throw Error(ErrorKind::usage, fmt::format("{}: --{} takes one value", setting->origin, flag));
    try {
      if (option->get_type_size() == 0)  // a flag: "true", "2"
        values = {option->get_flag_value(flag, values.front())};
      option->add_result(values);
      option->run_callback();
    } catch (const CLI::Error&) {
      throw Error(ErrorKind::usage, fmt::format("{}: --{} cannot be '{}'", setting->origin, flag,
                                                printable(setting->values.front())));
    }
    applied_[flag] = setting->origin;
  }
}

std::string ConfiguredFlags::with_origin(const std::string& message) const {
  if (!message.starts_with("--")) return message;
  const auto found = applied_.find(message.substr(2, message.find(':') - 2));
  return found == applied_.end() ? message : fmt::format("{} (set by {})", message, found->second);
}

}  // namespace murder::cli
