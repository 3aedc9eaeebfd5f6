#include "cli/command_table.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <sstream>
#include <string_view>

namespace murder::cli {
namespace {

std::vector<std::string> words_of(const CLI::Option& option) {
  std::istringstream stream(option.get_default_str());
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

/// By the name of the value, as help shows it.
Wants wants(std::string_view value) {
  if (value.starts_with("FILE") || value == "DIR|FILE" || value == "TORRENT" || value == "SOURCE")
    return Wants::file;
  if (value == "DIR" || value == "DEST" || value == "PATH") return Wants::folder;
  return Wants::nothing;
}

FlagRow flag_row(const CLI::Option& option) {
  FlagRow row;
  for (const std::string& name : option.get_snames()) row.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) row.names.push_back("--" + name);
  if (option.get_type_size() != 0) row.value = option.get_type_name();
  row.text = option.get_description();
  row.required = option.get_required();
  row.repeatable = option.get_expected_max() > 1;
  row.configurable = option.get_configurable() && !option.get_lnames().empty();
  row.words = words_of(option);
  row.wants = wants(row.value);
  return row;
}

}  // namespace

std::string FlagRow::shown() const {
  std::string name;
  for (const std::string& one : names) name += (name.empty() ? "" : ", ") + one;
  return value.empty() ? name : name + " " + value;
}

std::string FlagRow::long_name() const {
  for (const std::string& name : names)
    if (name.starts_with("--")) return name.substr(2);
  return {};
}

std::string CommandRow::usage(const std::string& program) const {
  std::string line = name == program ? program + " COMMAND" : program + " " + name;
  for (const ArgumentRow& argument : arguments)
    line += argument.required ? " " + argument.name : fmt::format(" [{}]", argument.name);
  for (const FlagRow& flag : flags)
    if (flag.required) line += fmt::format(" --{} {}", flag.long_name(), flag.value);
  return line + " [OPTION]...";
}

void offers(CLI::Option& option, const std::string& words) { option.default_str(words); }

CommandRow command_row(const CLI::App& command) {
  CommandRow row;
  row.name = command.get_name();
  row.text = command.get_description();
  row.examples = command.get_footer();
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_positional()) {
      const std::string name = option->get_name(true);
      row.arguments.push_back({name, option->get_description(), option->get_required(),
                               words_of(*option), wants(name)});
    } else if (!option->get_group().empty()) {
      row.flags.push_back(flag_row(*option));
    }
  }
  return row;
}

CommandTable command_table(const CLI::App& app) {
  CommandTable table;
  table.program = command_row(app);
  const auto is_help = [](const FlagRow& flag) { return flag.long_name() == "help"; };
  const auto help = std::ranges::find_if(table.program.flags, is_help);
  if (help != table.program.flags.end()) table.help = *help;
  std::erase_if(table.program.flags, is_help);
  for (const CLI::App* command : app.get_subcommands({}))
    if (!command->get_group().empty()) table.commands.push_back(command_row(*command));
  return table;
}

}  // namespace murder::cli
