#include "cli/help.hpp"

#include <fmt/format.h>
#include <string_view>
#include <vector>

#include "cli/command_table.hpp"

namespace murder::cli {
namespace {

constexpr std::size_t left_column = 24;
constexpr std::size_t page_width = 90;

/// "  LEFT      right, in as many lines as it takes".
std::string entry(const std::string& left, std::string_view right) {
  std::string out = "  " + left;
  std::size_t column = out.size();
  const auto break_line = [&] {
    out += "\n" + std::string(left_column, ' ');
    column = left_column;
  };
  if (column + 2 > left_column) {
    break_line();
  } else {
    out.append(left_column - column, ' ');
    column = left_column;
  }
  bool line_is_empty = true;
  while (!right.empty()) {
    const std::string_view word = right.substr(0, right.find(' '));
    right.remove_prefix(std::min(right.size(), word.size() + 1));
    if (!line_is_empty && column + 1 + word.size() > page_width) {
      break_line();
      line_is_empty = true;
    }
    if (!line_is_empty) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    line_is_empty = false;
  }
  return out + "\n";
}

std::string options_of(const std::vector<FlagRow>& flags, std::string_view title,
                       bool with_help = true) {
  std::string out;
  for (const FlagRow& flag : flags)
    if (with_help || flag.long_name() != "help") out += entry(flag.shown(), flag.text);
  return out.empty() ? out : fmt::format("\n{}:\n{}", title, out);
}

std::string arguments_of(const CommandRow& command) {
  std::string out;
  for (const ArgumentRow& argument : command.arguments) out += entry(argument.name, argument.text);
  return out.empty() ? out : "\nArguments:\n" + out;
}

std::string commands_of(const CLI::App& app) {
  std::string out;
  for (const CLI::App* command : app.get_subcommands({}))
    if (!command->get_group().empty())
      out += entry(command->get_name(), command->get_description());
  return "\nCommands:\n" + out;
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const {
  const CLI::App* const parent = app->get_parent();
  const std::string program = parent == nullptr ? app->get_name() : parent->get_name();
  const std::string full_name = parent == nullptr ? program : program + " " + app->get_name();
  const CommandRow command = command_row(*app);
  std::string out = fmt::format("{}: {}\n\nExamples:\n{}\n\nUsage: {}\n", full_name, command.text,
                                command.examples, command.usage(program));
  if (parent == nullptr) return out + commands_of(*app) + options_of(command.flags, "Options");
  return out + arguments_of(command) + options_of(command.flags, "Options") +
         options_of(command_row(*parent).flags, "Options of every command", false);
}

std::string overview(const CLI::App& app) {
  return fmt::format("{}: {}\n{}\n'murder COMMAND --help' tells more, examples first.\n",
                     app.get_name(), app.get_description(), commands_of(app));
}

}  // namespace murder::cli
