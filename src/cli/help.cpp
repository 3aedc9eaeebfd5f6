#include "cli/help.hpp"

#include <fmt/format.h>
#include <string_view>
#include <vector>

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

std::string value_name(const CLI::Option& option) {
  return option.get_type_size() == 0 ? std::string() : option.get_type_name();
}

/// "-o,--output FILE".
std::string option_name(const CLI::Option& option) {
  std::string name;
  for (const std::string& s : option.get_snames()) name += (name.empty() ? "-" : ", -") + s;
  for (const std::string& l : option.get_lnames()) name += (name.empty() ? "--" : ", --") + l;
  const std::string value = value_name(option);
  return value.empty() ? name : name + " " + value;
}

std::string usage(const CLI::App& app, const std::string& full_name) {
  std::string line = "Usage: " + full_name;
  if (app.get_parent() == nullptr) line += " COMMAND";
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional())
      line += option->get_required() ? " " + option->get_name(true)
                                     : fmt::format(" [{}]", option->get_name(true));
    else if (option->get_required())
      line += fmt::format(" --{} {}", option->get_lnames().front(), value_name(*option));
  }
  return line + " [OPTION]...\n";
}

std::string options_of(const CLI::App& app, std::string_view title, bool with_help = true) {
  std::string out;
  for (const CLI::Option* option : app.get_options())
    if (option->nonpositional() && !option->get_group().empty() &&
        (with_help || option != app.get_help_ptr()))
      out += entry(option_name(*option), option->get_description());
  return out.empty() ? out : fmt::format("\n{}:\n{}", title, out);
}

std::string arguments_of(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option : app.get_options())
    if (option->get_positional()) out += entry(option->get_name(true), option->get_description());
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
  const std::string full_name =
      parent == nullptr ? app->get_name() : parent->get_name() + " " + app->get_name();
  std::string out = fmt::format("{}: {}\n\nExamples:\n{}\n\n{}", full_name, app->get_description(),
                                app->get_footer(), usage(*app, full_name));
  if (parent == nullptr) return out + commands_of(*app) + options_of(*app, "Options");
  return out + arguments_of(*app) + options_of(*app, "Options") +
         options_of(*parent, "Options of every command", false);
}

std::string overview(const CLI::App& app) {
  return fmt::format("{}: {}\n{}\n'murder COMMAND --help' tells more, examples first.\n",
                     app.get_name(), app.get_description(), commands_of(app));
}

}  // namespace murder::cli
