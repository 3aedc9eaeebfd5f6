// What is written from the table of flags: that every text comes through as it is, whatever its
// characters mean to troff, to a shell or to TOML. tests/e2e/test_install.py has the real ones
// read.
#include "cli/manual.hpp"

#include <gtest/gtest.h>
#include <memory>

#include "cli/help.hpp"

namespace murder::cli {
namespace {

struct Manual : testing::Test {
  CLI::App app{"gets a release everywhere", "murder"};
  std::string text;
  bool flag = false;
  CommandTable table;

  void SetUp() override {
    app.formatter(std::make_shared<HelpFormatter>());
    app.footer("  murder peer v7.torrent");
    app.set_help_flag("-h,--help", "Print this");
    app.add_flag("-q,--quiet", flag, "No talk");
    CLI::App* const peer = app.add_subcommand("peer", "Fetch a release");
    peer->footer("  murder peer 'it's' \\\n    .hidden --to /srv");
    peer->add_option("TORRENT", text, "What")->required();
    CLI::Option* const linger =
        peer->add_option("--linger", text, "'swarm' [30s]: (default: none)");
    linger->type_name("TIME");
    offers(*linger, "swarm none");
    peer->add_option("--to", text, ".where \\ it … goes")->required()->type_name("DEST");
    peer->add_option("--retries", text, "Further tries (default: 5)")->type_name("COUNT");
    peer->add_flag("--once", flag, "Not for files")->configurable(false);
    peer->add_flag("--secret", flag, "Nobody's business")->group("");
    app.add_subcommand("on-host", "Hidden")->group("");
    table = command_table(app);
  }
};

TEST_F(Manual, hidden_commands_and_flags_are_in_none_of_them) {
  for (const std::string& all :
       {man_page(table, "2026-11-29"), man_page(table, table.commands.at(0), "2026-11-29"),
        bash_completion(table), zsh_completion(table), fish_completion(table),
        example_config(table)}) {
    EXPECT_EQ(all.find("secret"), std::string::npos) << all;
    EXPECT_EQ(all.find("on-host"), std::string::npos) << all;
    EXPECT_EQ(all.find("on\\-host"), std::string::npos) << all;
  }
}

TEST_F(Manual, no_text_is_a_request_to_troff) {
  const std::string page = man_page(table, table.commands.at(0), "2026-11-29");
  EXPECT_NE(page.find("\n\\&.where \\e it \\[u2026] goes\n"), std::string::npos) << page;
  EXPECT_NE(page.find("murder peer \\(aqit\\(aqs\\(aq \\e\n"), std::string::npos) << page;
  EXPECT_NE(page.find("\n\\fB\\-\\-linger\\fR \\fITIME\\fR\n"), std::string::npos) << page;
  EXPECT_NE(page.find("murder peer TORRENT \\-\\-to DEST [OPTION]..."), std::string::npos) << page;
}

TEST_F(Manual, no_text_ends_a_quotation_of_a_shell) {
  EXPECT_NE(zsh_completion(table).find(
                "--linger['\\''swarm'\\'' \\[30s\\]\\: (default\\: none)]:TIME:(swarm none)'"),
            std::string::npos)
      << zsh_completion(table);
  EXPECT_NE(fish_completion(table).find("-l linger -r -f -a 'swarm none' -d '\\'swarm\\' [30s]"),
            std::string::npos)
      << fish_completion(table);
  EXPECT_NE(bash_completion(table).find("'peer '--linger) echo 'words swarm none' ;;"),
            std::string::npos)
      << bash_completion(table);
}

TEST_F(Manual, the_configuration_has_what_a_file_may_say_and_its_default) {
  const std::string config = example_config(table);
  for (const char* line : {"\n#quiet = false\n", "\n#[peer]\n", "\n#linger = \"none\"\n",
                           "\n#to = \"DEST\"\n", "\n#retries = 5\n"})
    EXPECT_NE(config.find(line), std::string::npos) << line << " in " << config;
  EXPECT_EQ(config.find("#once"), std::string::npos) << config;
  EXPECT_EQ(config.find("#help"), std::string::npos) << config;
}

}  // namespace
}  // namespace murder::cli
