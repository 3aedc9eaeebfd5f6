#include <fmt/format.h>
#include <sstream>
#include <string_view>

#include "cli/manual.hpp"

namespace murder::cli {
namespace {

/// The character that begins at `at`, which is moved behind it. The text is UTF-8, being our own.
unsigned next_character(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const unsigned first = byte(at++);
  const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
  unsigned character = more == 0 ? first : first & (0x3fU >> more);
  for (int i = 0; i < more; ++i) character = character << 6 | (byte(at++) & 0x3f);
  return character;
}

/// Text for troff, where a backslash and what begins a line may mean something, and which reads
/// ASCII.
std::string escaped(std::string_view text) {
  std::string out;
  bool at_line_start = true;
  for (std::size_t at = 0; at < text.size();) {
    const unsigned character = next_character(text, at);
    if (at_line_start && (character == '.' || character == '\'')) out += "\\&";
    at_line_start = character == '\n';
    if (character == '\\')
      out += "\\e";
    else if (character == '-')
      out += "\\-";
    else if (character == '\'')
      out += "\\(aq";
    else if (character == '^')
      out += "\\(ha";
    else if (character == '~')
      out += "\\(ti";
    else if (character >= 0x80)
      out += fmt::format("\\[u{:04X}]", character);
    else
      out += static_cast<char>(character);
  }
  return out;
}

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

std::string head(const std::string& page, const std::string& text, const std::string& date) {
  return fmt::format(".TH {} 1 \"{}\" \"murder " MURDER_VERSION
                     "\" \"User Commands\"\n.SH NAME\n{} \\- {}\n",
                     upper(escaped(page)), date, escaped(page), escaped(text));
}

std::string flag_paragraphs(const std::vector<FlagRow>& flags) {
  std::string out;
  for (const FlagRow& flag : flags) {
    std::string names;
    for (const std::string& name : flag.names)
      names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", escaped(name));
    if (!flag.value.empty()) names += fmt::format(" \\fI{}\\fR", escaped(flag.value));
    out += fmt::format(".TP\n{}\n{}\n", names, escaped(flag.text));
  }
  return out;
}

/// As typed: no line is broken, and blanks count.
std::string examples(const std::string& text) {
  std::string out = ".SH EXAMPLES\n.nf\n";
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  ")) line.erase(0, 2);
    out += escaped(line) + "\n";
  }
  return out + ".fi\n";
}

constexpr std::string_view exit_status =
    ".SH \"EXIT STATUS\"\n"
    ".TP\n0\nEverything asked for is done and verified.\n"
    ".TP\n1\nFailed.\n"
    ".TP\n2\nUsage or configuration; also: the same tag with other bytes.\n"
    ".TP\n3\nPartial: some hosts have it and some do not.\n"
    ".TP\n4\nA host, tracker or seeder cannot be reached.\n"
    ".TP\n5\nIntegrity: something did not match its digest.\n"
    ".TP\n130, 143\nInterrupted, terminated.\n";

constexpr std::string_view environment =
    ".SH ENVIRONMENT\n"
    "Each option has variables that set it where the command line does not:\n"
    "\\fBMURDER_\\fICOMMAND\\fB_\\fIOPTION\\fR for one command and \\fBMURDER_\\fIOPTION\\fR for "
    "all,\n"
    "in capitals, dashes as underscores.\n"
    ".TP\n\\fBMURDER_HISTORY\\fR\nThe file of the record of deploys.\n"
    ".TP\n\\fBMURDER_RUN_DIR\\fR\nThe folder of what runs in the background.\n"
    ".TP\n\\fBMURDER_HOST_BINARY\\fR\nThe program that deploy puts onto hosts.\n"
    ".TP\n\\fBMURDER_SSH\\fR\nThe ssh to be run.\n"
    ".TP\n\\fBNO_COLOR\\fR\nSet to anything: no colours.\n";

constexpr std::string_view files =
    ".SH FILES\n"
    ".TP\n\\fI./murder.toml\\fR, \\fI\\(ti/.config/murder/murder.toml\\fR, "
    "\\fI/etc/murder/murder.toml\\fR\n"
    "Values for options that neither the command line nor the environment gives; the first that\n"
    "has one wins.\n";

std::string see_also(const CommandTable& table, const std::string& but) {
  std::string out = ".SH \"SEE ALSO\"\n";
  std::string pages;
  const auto add = [&](const std::string& page) {
    if (page == but) return;
    if (!pages.empty()) pages += ",\n";
    pages += fmt::format(".BR {} (1)", escaped(page));
  };
  add(table.program.name);
  for (const CommandRow& command : table.commands) add(table.program.name + "-" + command.name);
  return out + pages + "\n";
}

}  // namespace

std::string man_page(const CommandTable& table, const std::string& date) {
  const CommandRow& program = table.program;
  std::string page = head(program.name, program.text, date);
  page +=
      fmt::format(".SH SYNOPSIS\n\\fB{}\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...\n", program.name);
  page +=
      ".SH DESCRIPTION\n"
      "A release (a build, a tree of files, one big file) goes in at one place, and every server\n"
      "that has a part of it passes that part on. It arrives verified, unpacked while it was "
      "still\n"
      "arriving, and is switched live by one rename.\n"
      ".SH COMMANDS\n";
  for (const CommandRow& command : table.commands)
    page += fmt::format(".TP\n.BR {}\\-{} (1)\n{}.\n", program.name, escaped(command.name),
                        escaped(command.text));
  page += ".SH OPTIONS\n" + flag_paragraphs(program.flags) + flag_paragraphs({table.help});
  page += examples(program.examples);
  page += exit_status;
  page += environment;
  page += files;
  return page + see_also(table, program.name);
}

std::string man_page(const CommandTable& table, const CommandRow& command,
                     const std::string& date) {
  const std::string name = table.program.name + "-" + command.name;
  std::string page = head(name, command.text, date);
  page += fmt::format(".SH SYNOPSIS\n{}\n", escaped(command.usage(table.program.name)));
  page += fmt::format(".SH DESCRIPTION\n{}.\n", escaped(command.text));
  if (!command.arguments.empty()) page += ".SH ARGUMENTS\n";
  for (const ArgumentRow& argument : command.arguments)
    page += fmt::format(".TP\n\\fI{}\\fR\n{}\n", escaped(argument.name), escaped(argument.text));
  page += ".SH OPTIONS\n" + flag_paragraphs(command.flags);
  page += ".SH \"OPTIONS OF EVERY COMMAND\"\n" + flag_paragraphs(table.program.flags);
  page += examples(command.examples);
  page += exit_status;
  page += files;
  return page + see_also(table, name);
}

}  // namespace murder::cli
