#include "cli/help.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <sstream>

#include "cli/commands.hpp"
#include "cli/fleet_release.hpp"

namespace murder::cli {
namespace {

struct Help : testing::Test {
  CLI::App app{"gets a release everywhere", "murder"};
  CLI::App* peer = nullptr;
  std::string text;
  bool quiet = false;

  void SetUp() override {
    app.formatter(std::make_shared<HelpFormatter>());
    app.footer("  murder peer v7.torrent");
    app.add_flag("-q,--quiet", quiet, "No talk");
    peer = app.add_subcommand("peer", "Fetch a release");
    peer->footer("  murder peer v7.torrent --to /srv/app");
    peer->add_option("TORRENT", text, "What")->required();
    peer->add_option("EXTRA", text, "What else");
    peer->add_option("--to", text, "Where")->required()->type_name("DEST");
    peer->add_option("-l,--linger", text,
                     "A description that is so long that it takes two lines, whatever the width of "
                     "the page on which it is to be printed")
        ->type_name("TIME");
  }
};

TEST_F(Help, examples_come_first) {
  const std::string help = peer->help();
  EXPECT_EQ(help.find("murder peer: Fetch a release\n\nExamples:\n"
                      "  murder peer v7.torrent --to /srv/app\n\n"
                      "Usage: murder peer TORRENT [EXTRA] --to DEST [OPTION]...\n"),
            0u)
      << help;
  EXPECT_LT(help.find("Examples:"), help.find("Options:"));
}

TEST_F(Help, every_flag_is_there_also_those_of_every_command) {
  const std::string help = peer->help();
  for (const char* name :
       {"  --to DEST ", "  -l, --linger TIME ", "  TORRENT ", "  -q, --quiet ", "  -h, --help "})
    EXPECT_NE(help.find(name), std::string::npos) << name << " in " << help;
  EXPECT_EQ(help.find("--help"), help.rfind("--help")) << help;
}

TEST_F(Help, lines_are_broken_and_end_in_no_blanks) {
  std::istringstream lines(peer->help());
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 90u) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
}

TEST_F(Help, the_overview_names_the_commands) {
  EXPECT_NE(overview(app).find("\n  peer                  Fetch a release\n"), std::string::npos)
      << overview(app);
}

/// The commands as they are.
TEST(HelpOfCommands, each_has_examples_that_begin_with_it_and_describes_all_it_takes) {
  CLI::App app("", "murder");
  Action action;
  add_pack(app, action);
  add_tracker(app, action);
  add_seed(app, action);
  add_peer(app, action);
  add_release_commands(app, action, &releases_of_a_fleet);
  add_record_commands(app, action);
  add_demo(app, action);
  add_hosts(app, action);
  const auto commands = app.get_subcommands({});
  EXPECT_GE(commands.size(), 12u);
  for (const CLI::App* command : commands) {
    const std::string start = "  murder " + command->get_name();
    std::istringstream examples(command->get_footer());
    std::size_t count = 0;
    for (std::string line; std::getline(examples, line); ++count)
      EXPECT_TRUE(line.starts_with(start)) << line;
    EXPECT_GT(count, 0u) << command->get_name();
    EXPECT_FALSE(command->get_description().empty());
    for (const CLI::Option* option : command->get_options()) {
      EXPECT_FALSE(option->get_description().empty()) << option->get_name();
      // "TEXT" and "UINT" are the parser's names for what a user should be told.
      if (option->nonpositional() && option->get_type_size() != 0) {
        EXPECT_NE(option->get_type_name(), "TEXT") << option->get_name();
        EXPECT_NE(option->get_type_name(), "UINT") << option->get_name();
      }
    }
  }
}

}  // namespace
}  // namespace murder::cli
