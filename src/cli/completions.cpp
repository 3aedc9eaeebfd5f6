#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <string_view>

#include "cli/manual.hpp"

namespace murder::cli {
namespace {

/// In single quotes of a POSIX shell.
std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += between;
    out += word;
  }
  return out;
}

std::vector<std::string> names_of(const std::vector<FlagRow>& flags) {
  std::vector<std::string> names;
  for (const FlagRow& flag : flags) names.insert(names.end(), flag.names.begin(), flag.names.end());
  return names;
}

std::vector<std::string> commands_of(const CommandTable& table) {
  std::vector<std::string> names;
  for (const CommandRow& command : table.commands) names.push_back(command.name);
  return names;
}

// --- bash ---

/// What to offer: "files", "folders", "nothing", or "words A B".
std::string bash_offer(Wants wants, const std::vector<std::string>& words) {
  if (!words.empty()) return "words " + joined(words, " ");
  if (wants == Wants::file) return "files";
  return wants == Wants::folder ? "folders" : "nothing";
}

/// A line of a case for each flag with a value.
std::string bash_values(const std::string& command, const std::vector<FlagRow>& flags) {
  std::string out;
  for (const FlagRow& flag : flags) {
    if (flag.value.empty()) continue;
    std::vector<std::string> patterns;
    for (const std::string& name : flag.names) patterns.push_back(command + name);
    out += fmt::format("    {}) echo {} ;;\n", joined(patterns, " | "),
                       in_quotes(bash_offer(flag.wants, flag.words)));
  }
  return out;
}

constexpr std::string_view bash_script = R"bash(
# The first word that is a command.
_murder_command() {
  local i word
  for ((i = 1; i < COMP_CWORD; i++)); do
    for word in $(_murder_commands); do
      if [[ ${COMP_WORDS[i]} == "$word" ]]; then
        echo "$word"
        return
      fi
    done
  done
}

# Which argument of the command is being typed: 0, 1, ...
_murder_argument() {
  local command=$1 i word seen=-1 skip=
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ -n $skip ]]; then
      skip=
    elif [[ $word == -* ]]; then
      if [[ ${COMP_WORDS[i + 1]:-} == '=' ]]; then
        ((i += 2))
      elif [[ -n $(_murder_value "$command" "$word") ]]; then
        skip=yes
      fi
    else
      ((++seen))
    fi
  done
  echo "$seen"
}

_murder() {
  local command current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} offer=
  COMPREPLY=()
  command=$(_murder_command)
  # --flag=value is three words to bash.
  if [[ $current == '=' ]]; then
    current=
  elif [[ $before == '=' ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if [[ $before == -* ]]; then offer=$(_murder_value "$command" "$before"); fi
  if [[ -z $offer ]]; then
    if [[ $current == -* ]]; then
      offer="words $(_murder_flags "$command")"
    elif [[ -z $command ]]; then
      offer="words $(_murder_commands)"
    else
      offer=$(_murder_wants "$command" "$(_murder_argument "$command")")
    fi
  fi
  case $offer in
    'words '*) mapfile -t COMPREPLY < <(compgen -W "${offer#words }" -- "$current") ;;
    files | folders)
      compopt -o filenames 2>/dev/null
      if [[ $offer == files ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
      fi
      ;;
  esac
}

complete -F _murder murder
)bash";

// --- zsh ---

/// In a specification of _arguments, within single quotes.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return out;
}

std::string zsh_action(Wants wants, const std::vector<std::string>& words) {
  if (!words.empty()) return "(" + joined(words, " ") + ")";
  if (wants == Wants::file) return "_files";
  return wants == Wants::folder ? "_files -/" : " ";
}

std::string zsh_flags(const std::vector<FlagRow>& flags) {
  std::string out;
  for (const FlagRow& flag : flags) {
    const std::string rest = flag.value.empty() ? std::string()
                                                : fmt::format(":{}:{}", zsh_text(flag.value),
                                                              zsh_action(flag.wants, flag.words));
    for (const std::string& name : flag.names) {
      const std::string before = flag.repeatable || name == "-v" || name == "--verbose"
                                     ? "*"
                                     : fmt::format("({})", joined(flag.names, " "));
      out += fmt::format("        '{}{}[{}]{}' \\\n", before, name, zsh_text(flag.text), rest);
    }
  }
  return out;
}

std::string zsh_arguments(const std::vector<ArgumentRow>& arguments) {
  std::string out;
  for (const ArgumentRow& argument : arguments)
    out += fmt::format("        '{}:{}:{}' \\\n", argument.required ? "" : ":",
                       zsh_text(argument.name), zsh_action(argument.wants, argument.words));
  return out;
}

// --- fish ---

std::string fish_flag(const FlagRow& flag, const std::string& condition) {
  std::string out = "complete -c murder" + condition;
  for (const std::string& name : flag.names)
    out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (!flag.value.empty()) {
    out += " -r";
    if (!flag.words.empty())
      out += " -f -a " + in_quotes(joined(flag.words, " "));
    else if (flag.wants == Wants::file)
      out += " -F";
    else if (flag.wants == Wants::folder)
      out += " -f -a '(__fish_complete_directories)'";
    else
      out += " -f";
  }
  std::string text;
  for (const char c : flag.text) text += c == '\'' ? std::string("\\'") : std::string(1, c);
  return fmt::format("{} -d '{}'\n", out, text);
}

}  // namespace

std::string bash_completion(const CommandTable& table) {
  std::vector<FlagRow> common = table.program.flags;
  common.push_back(table.help);
  std::string out = "# Completion of murder for bash; made from its command line.\n\n";
  out += fmt::format("_murder_commands() {{\n  echo {}\n}}\n", joined(commands_of(table), " "));

  out += "\n_murder_flags() {\n  case $1 in\n";
  for (const CommandRow& command : table.commands) {
    std::vector<std::string> names = names_of(command.flags);
    const std::vector<std::string> more = names_of(table.program.flags);
    names.insert(names.end(), more.begin(), more.end());
    out += fmt::format("    {}) echo {} ;;\n", command.name, joined(names, " "));
  }
  out += fmt::format("    *) echo {} ;;\n  esac\n}}\n", joined(names_of(common), " "));

  out +=
      "\n# What the value of a flag may be; nothing for flags that take none.\n_murder_value() {\n"
      "  case \"$1 $2\" in\n";
  for (const CommandRow& command : table.commands)
    out += bash_values(in_quotes(command.name + " "), command.flags);
  out += bash_values("*", common);
  out += "  esac\n}\n";

  out += "\n_murder_wants() {\n  case \"$1 $2\" in\n";
  for (const CommandRow& command : table.commands)
    for (std::size_t i = 0; i < command.arguments.size(); ++i)
      out += fmt::format(
          "    '{} {}') echo {} ;;\n", command.name, i,
          in_quotes(bash_offer(command.arguments[i].wants, command.arguments[i].words)));
  out += "    *) echo nothing ;;\n  esac\n}\n";
  return out + std::string(bash_script);
}

std::string zsh_completion(const CommandTable& table) {
  std::string out =
      "#compdef murder\n# Completion of murder for zsh; made from its command line.\n\n"
      "_murder_commands() {\n  local -a commands\n  commands=(\n";
  for (const CommandRow& command : table.commands)
    out += fmt::format("    '{}:{}'\n", command.name, zsh_text(command.text));
  out += "  )\n  _describe -t commands 'command' commands\n}\n\n";

  std::vector<FlagRow> common = table.program.flags;
  common.push_back(table.help);
  out +=
      "_murder() {\n  local context state state_descr line\n  typeset -A opt_args\n"
      "  _arguments -C \\\n" +
      zsh_flags(common) +
      "        '1:command:_murder_commands' \\\n        '*::argument:->arguments'\n"
      "  [[ $state == arguments ]] || return\n  case $words[1] in\n";
  for (const CommandRow& command : table.commands) {
    out += fmt::format("    {})\n      _arguments -s \\\n", command.name) +
           zsh_flags(command.flags) + zsh_flags(table.program.flags) +
           zsh_arguments(command.arguments);
    out.resize(out.rfind(" \\\n"));
    out += "\n      ;;\n";
  }
  return out + "  esac\n}\n\n_murder \"$@\"\n";
}

std::string fish_completion(const CommandTable& table) {
  std::string out =
      "# Completion of murder for fish; made from its command line.\n\n"
      "complete -c murder -f\n";
  for (const FlagRow& flag : table.program.flags) out += fish_flag(flag, "");
  out += fish_flag(table.help, "");
  for (const CommandRow& command : table.commands)
    out += fmt::format("complete -c murder -n __fish_use_subcommand -a {} -d {}\n", command.name,
                       in_quotes(command.text));
  for (const CommandRow& command : table.commands) {
    const std::string condition = fmt::format(" -n '__fish_seen_subcommand_from {}'", command.name);
    out += "\n";
    for (const ArgumentRow& argument : command.arguments) {
      if (!argument.words.empty())
        out += fmt::format("complete -c murder{} -a {}\n", condition,
                           in_quotes(joined(argument.words, " ")));
      else if (argument.wants != Wants::nothing)
        out += fmt::format("complete -c murder{} -F\n", condition);
    }
    for (const FlagRow& flag : command.flags)
      if (flag.long_name() != "help") out += fish_flag(flag, condition);
  }
  return out;
}

}  // namespace murder::cli
