#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <sstream>
#include <string_view>

#include "cli/manual.hpp"

namespace murder::cli {
namespace {

constexpr std::size_t page_width = 100;

/// "# WORD WORD …", in as many lines as it takes.
std::string comment(std::string_view text) {
  std::istringstream words{std::string(text)};
  std::string out;
  std::string line = "#";
  for (std::string word; words >> word;) {
    if (line.size() + 1 + word.size() > page_width) {
      out += line + "\n";
      line = "#";
    }
    line += " " + word;
  }
  return out + line + "\n";
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// What the text says that it is if nobody says anything, where that is a value.
std::string default_of(const FlagRow& flag) {
  constexpr std::string_view mark = "default: ";
  const auto at = flag.text.find(mark);
  if (at == std::string::npos) return {};
  std::string word = flag.text.substr(at + mark.size());
  word = word.substr(0, word.find_first_of(" ,;)"));
  const bool is_word = std::ranges::find(flag.words, word) != flag.words.end();
  const bool is_value =
      !word.empty() && std::isdigit(static_cast<unsigned char>(word.front())) != 0;
  return is_word || is_value ? word : std::string();
}

std::string quoted(const std::string& text) {
  return is_number(text) ? text : fmt::format("\"{}\"", text);
}

std::string setting(const FlagRow& flag) {
  std::string value = "false";
  if (flag.repeatable && flag.value.empty()) {
    value = "0";
  } else if (!flag.value.empty()) {
    const std::string usual = default_of(flag);
    value = quoted(usual.empty() ? flag.value : usual);
    if (flag.repeatable) value = "[" + value + "]";
  }
  return comment(flag.text) + fmt::format("#{} = {}\n", flag.long_name(), value);
}

std::string settings(const std::vector<FlagRow>& flags) {
  std::string out;
  for (const FlagRow& flag : flags)
    if (flag.configurable && flag.long_name() != "help" && flag.long_name() != "version")
      out += setting(flag);
  return out;
}

}  // namespace

std::string example_config(const CommandTable& table) {
  std::string out =
      "# Configuration of murder: every key that there is. Lines without a blank after # are "
      "settings,\n"
      "# with what holds when nobody says anything, or in capitals with what is wanted; take the # "
      "away\n"
      "# from one, and from the [command] that it belongs to.\n"
      "#\n"
      "# The command line wins over the environment (MURDER_COMMAND_KEY, MURDER_KEY), the "
      "environment\n"
      "# over ./murder.toml, that over ~/.config/murder/murder.toml and that over\n"
      "# /etc/murder/murder.toml. A key above all [command] lines is for every command that has "
      "it. hosts\n"
      "# and tracker are commands as well as keys: above all [command] lines each is either the "
      "one or\n"
      "# the other.\n\n" +
      settings(table.program.flags);
  for (const CommandRow& command : table.commands) {
    const std::string keys = settings(command.flags);
    if (!keys.empty())
      out += fmt::format("\n{}#[{}]\n\n", comment(command.text + "."), command.name) + keys;
  }
  return out;
}

}  // namespace murder::cli
