// murder manual: hidden; writes what is installed beside the program and says what it can.
#include <filesystem>
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "cli/commands.hpp"
#include "cli/manual.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

void write(const CommandTable& table, const fs::path& folder, const std::string& date) {
  const std::string& name = table.program.name;
  const auto put = [&](const fs::path& path, const std::string& text) {
    fs::create_directories((folder / path).parent_path());
    write_file_atomically(folder / path, text);
  };
  put(fmt::format("man1/{}.1", name), man_page(table, date));
  for (const CommandRow& command : table.commands)
    put(fmt::format("man1/{}-{}.1", name, command.name), man_page(table, command, date));
  put("bash/" + name, bash_completion(table));
  put("zsh/_" + name, zsh_completion(table));
  put(fmt::format("fish/{}.fish", name), fish_completion(table));
  put(name + ".toml", example_config(table));
}

}  // namespace

void add_manual(CLI::App& app, Action& action) {
  struct Arguments {
    std::string folder;
    std::string date;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "manual", "Write man pages, completions and an example configuration into a folder");
  command->footer("  murder manual build/manual --date 2026-11-29");
  command->group("");
  command->add_option("DIR", arguments->folder, "Made if it is not there")->required();
  command->add_option("--date", arguments->date, "Of the man pages, YYYY-MM-DD")
      ->required()
      ->type_name("DATE")
      ->configurable(false);
  command->callback([arguments, &app, &action] {
    const CommandTable table = command_table(app);
    action = [arguments, table](Context&) { write(table, arguments->folder, arguments->date); };
  });
}

}  // namespace murder::cli
