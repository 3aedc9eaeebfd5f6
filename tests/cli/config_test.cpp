#include "cli/config.hpp"

#include <gtest/gtest.h>
#include <map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/temp_dir.hpp"
#include "cli/configured_flags.hpp"

namespace murder::cli {
namespace {

const FlagTable flags{{"", {"json", "verbose"}},
                      {"peer", {"to", "timeout", "file-only", "tracker"}},
                      {"tracker", {"listen", "expect"}}};

using Variables = std::map<std::string, std::string>;

ConfiguredFlags::Variable lookup(const Variables& variables) {
  return [&variables](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

std::string refusal_of(const std::string& text) {
  try {
    ConfigFile::parse(text, "murder.toml", flags);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "taken";
}

std::string value_of(const ConfigFile& file, const std::string& command, const std::string& flag) {
  const auto setting = file.find(command, flag);
  return setting ? setting->values.front() : "none";
}

TEST(ConfigFile, a_command_s_table_comes_before_the_top) {
  const auto file = ConfigFile::parse(
      "timeout = \"1s\"\njson = true\n[peer]\ntimeout = \"2s\"\n[tracker]\nexpect = 16\n", "m.toml",
      flags);
  EXPECT_EQ(value_of(file, "peer", "timeout"), "2s");
  EXPECT_EQ(value_of(file, "seed", "timeout"), "1s");
  EXPECT_EQ(value_of(file, "peer", "json"), "true");
  EXPECT_EQ(value_of(file, "tracker", "expect"), "16");
  EXPECT_EQ(value_of(file, "peer", "expect"), "none");
  EXPECT_EQ(file.find("peer", "timeout")->origin, "m.toml:4");
}

TEST(ConfigFile, lists_keep_their_order) {
  const auto file =
      ConfigFile::parse("[peer]\ntracker = [\"http://b\", \"http://a\"]\n", "m", flags);
  EXPECT_EQ(file.find("peer", "tracker")->values,
            (std::vector<std::string>{"http://b", "http://a"}));
}

TEST(ConfigFile, mistakes_are_named_by_file_and_line) {
  EXPECT_EQ(refusal_of("\n\ntimeuot = 1\n"), "murder.toml:3: no command has --timeuot");
  EXPECT_EQ(refusal_of("[peer]\nexpect = 1\n"), "murder.toml:2: murder peer has no --expect");
  EXPECT_EQ(refusal_of("[pear]\nto = \"/srv\"\n"), "murder.toml:1: there is no command 'pear'");
  EXPECT_EQ(refusal_of("[peer]\n\nto = 2025-01-01\n"),
            "murder.toml:3: 'to' is to be a text, a number, true or false");
  EXPECT_EQ(refusal_of("[peer]\nto = [[1]]\n"),
            "murder.toml:2: 'to' is to be a text, a number, true or false");
  EXPECT_EQ(refusal_of("timeout = 1\ntimeout = 2\n").substr(0, 14), "murder.toml:2:");
  EXPECT_EQ(refusal_of("timeout = \n").substr(0, 14), "murder.toml:1:");
  EXPECT_EQ(refusal_of("[\"\"]\nto = 1\n"), "murder.toml:1: there is no command ''");
}

TEST(ConfigFile, flags_of_every_command_may_stand_in_a_table) {
  EXPECT_EQ(refusal_of("[peer]\nverbose = 2\n"), "taken");
}

TEST(Environment, the_command_s_own_variable_comes_first) {
  Variables variables{{"MURDER_TIMEOUT", "1s"}, {"MURDER_PEER_TIMEOUT", "2s"}};
  EXPECT_EQ(find_in_environment("peer", "timeout", lookup(variables))->values.front(), "2s");
  EXPECT_EQ(find_in_environment("seed", "timeout", lookup(variables))->values.front(), "1s");
  variables["MURDER_PEER_TIMEOUT"] = "";
  const auto setting = find_in_environment("peer", "timeout", lookup(variables));
  EXPECT_EQ(setting->values.front(), "1s");
  EXPECT_EQ(setting->origin, "MURDER_TIMEOUT");
  variables = {{"MURDER_PEER_FILE_ONLY", "true"}};
  EXPECT_TRUE(find_in_environment("peer", "file-only", lookup(variables)));
  EXPECT_FALSE(find_in_environment("peer", "only", lookup(variables)));
}

TEST(ConfigPaths, the_working_folder_then_the_user_then_the_system) {
  using Paths = std::vector<std::filesystem::path>;
  Variables variables{{"HOME", "/home/u"}};
  EXPECT_EQ(
      config_paths(lookup(variables)),
      (Paths{"./murder.toml", "/home/u/.config/murder/murder.toml", "/etc/murder/murder.toml"}));
  variables["XDG_CONFIG_HOME"] = "/x";
  EXPECT_EQ(config_paths(lookup(variables))[1], "/x/murder/murder.toml");
  variables.clear();
  EXPECT_EQ(config_paths(lookup(variables)).size(), 2u);
}

/// A small command line, parsed and then given what is configured.
struct ConfiguredFlagsTest : testing::Test {
  CLI::App app{"", "murder"};
  bool json = false;
  int verbose = 0;
  std::string to;
  std::string timeout = "never";
  std::uint16_t port = 0;
  std::vector<std::string> trackers;
  bool activate = false;
  test::TempDir folder;
  Variables variables;
  std::vector<std::filesystem::path> files;

  void SetUp() override {
    app.add_flag("--json", json);
    app.add_flag("-v,--verbose", verbose);
    app.require_subcommand(1);
    app.fallthrough();
    CLI::App* peer = app.add_subcommand("peer");
    peer->add_option("--to", to)->required();
    peer->add_option("--timeout", timeout);
    peer->add_option("--port", port);
    peer->add_option("--tracker", trackers);
    peer->add_flag("--activate", activate);
    app.add_subcommand("tracker")->add_option("--timeout", timeout);
  }

  void add_file(const std::string& content) {
    files.push_back(folder.path() / (std::to_string(files.size()) + ".toml"));
    write_file_atomically(files.back(), content);
  }

  ConfiguredFlags run(const std::string& line) {
    ConfiguredFlags configured(app, lookup(variables), files);
    configured.relax_required(app);
    app.parse(line);
    configured.apply(app, *app.get_subcommands().front());
    return configured;
  }

  std::string refusal(const std::string& line) {
    try {
      run(line);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "taken";
  }
};

TEST_F(ConfiguredFlagsTest, flags_then_environment_then_files_in_their_order) {
  add_file("[peer]\nto = \"/first\"\n");
  add_file("timeout = \"2m\"\n[peer]\nto = \"/second\"\nport = 9002\nactivate = true\n");
  variables = {{"MURDER_TIMEOUT", "1m"}, {"MURDER_PORT", "9001"}, {"MURDER_PEER_PORT", "9000"}};
  run("peer --timeout 30s");
  EXPECT_EQ(timeout, "30s");
  EXPECT_EQ(port, 9000);
  EXPECT_EQ(to, "/first");
  EXPECT_TRUE(activate);
}

TEST_F(ConfiguredFlagsTest, other_commands_tables_do_not_count) {
  add_file("[peer]\ntimeout = \"2m\"\n");
  run("tracker");
  EXPECT_EQ(timeout, "never");
}

TEST_F(ConfiguredFlagsTest, a_required_flag_may_be_configured_and_is_required_otherwise) {
  EXPECT_THROW(run("peer"), CLI::RequiredError);
  variables = {{"MURDER_TO", "/srv"}};
  run("peer");
  EXPECT_EQ(to, "/srv");
}

TEST_F(ConfiguredFlagsTest, flags_without_a_value_take_truth_and_counts) {
  add_file("verbose = 2\njson = true\n[peer]\nto = \"/srv\"\nactivate = false\n");
  run("peer");
  EXPECT_EQ(verbose, 2);
  EXPECT_TRUE(json);
  EXPECT_FALSE(activate);
}

TEST_F(ConfiguredFlagsTest, the_command_line_replaces_a_list_and_does_not_add_to_it) {
  add_file("[peer]\nto = \"/srv\"\ntracker = [\"http://a\", \"http://b\"]\n");
  run("peer --tracker http://c");
  EXPECT_EQ(trackers, std::vector<std::string>{"http://c"});
}

TEST_F(ConfiguredFlagsTest, lists_come_from_files_as_lists_and_from_the_environment_as_words) {
  add_file("[peer]\nto = \"/srv\"\ntracker = [\"http://a\", \"http://b\"]\n");
  run("peer");
  EXPECT_EQ(trackers, (std::vector<std::string>{"http://a", "http://b"}));
  variables = {{"MURDER_TRACKER", "  http://d http://e "}};
  run("peer");
  EXPECT_EQ(trackers, (std::vector<std::string>{"http://d", "http://e"}));
}

TEST_F(ConfiguredFlagsTest, a_value_that_a_flag_cannot_take_names_its_origin) {
  add_file("[peer]\nto = \"/srv\"\nport = 70000\n");
  EXPECT_EQ(refusal("peer"), files[0].string() + ":3: --port cannot be '70000'");
  variables = {{"MURDER_PORT", "many"}};
  EXPECT_EQ(refusal("peer"), "MURDER_PORT: --port cannot be 'many'");
  variables = {{"MURDER_PORT", "1"}, {"MURDER_ACTIVATE", "perhaps"}};
  EXPECT_EQ(refusal("peer"), "MURDER_ACTIVATE: --activate cannot be 'perhaps'");
  variables = {{"MURDER_PORT", "1"}};
  files.clear();
  add_file("[peer]\nto = [\"/a\", \"/b\"]\n");
  EXPECT_EQ(refusal("peer"), files[0].string() + ":2: --to takes one value");
}

TEST_F(ConfiguredFlagsTest, what_a_command_says_of_a_flag_gets_its_origin) {
  variables = {{"MURDER_TO", "/srv"}, {"MURDER_TIMEOUT", "soon"}};
  const ConfiguredFlags configured = run("peer --port 1");
  EXPECT_EQ(configured.with_origin("--timeout: cannot read 'soon'"),
            "--timeout: cannot read 'soon' (set by MURDER_TIMEOUT)");
  EXPECT_EQ(configured.with_origin("--port: taken"), "--port: taken");
  EXPECT_EQ(configured.with_origin("no such torrent"), "no such torrent");
}

TEST_F(ConfiguredFlagsTest,
       files_that_are_not_there_are_none_and_those_that_cannot_be_read_are_bad) {
  files.push_back(folder.path() / "not-there.toml");
  EXPECT_EQ(refusal("peer --to x"), "taken");
  files.push_back(folder.path());  // a folder
  EXPECT_NE(refusal("peer --to x").find(folder.path().string()), std::string::npos);
}

TEST_F(ConfiguredFlagsTest, flags_that_are_one_setting_come_from_one_place) {
  std::vector<std::string> files_of_hosts;
  std::vector<std::string> hosts;
  CLI::App* deploy = app.add_subcommand("deploy");
  CLI::Option* by_file = deploy->add_option("--hosts", files_of_hosts);
  configured_as_one({by_file, deploy->add_option("--host", hosts)});
  const auto result = [&](const std::string& line) {
    files_of_hosts.clear();
    hosts.clear();
    run(line);
    std::string text;
    for (const auto* values : {&files_of_hosts, &hosts})
      for (const std::string& value : *values) text += value + " ";
    return text;
  };
  add_file("hosts = [\"a.txt\", \"b.txt\"]\n");
  add_file("host = \"last\"\n");
  EXPECT_EQ(result("deploy"), "a.txt b.txt ");
  EXPECT_EQ(result("deploy --host x"), "x ");
  EXPECT_EQ(result("deploy --hosts y"), "y ");
  EXPECT_EQ(result("deploy --hosts y --host x"), "y x ");
  variables = {{"MURDER_HOST", "e f"}};
  EXPECT_EQ(result("deploy"), "e f ");
  EXPECT_EQ(result("deploy --hosts y"), "y ");
  variables = {{"MURDER_HOST", "e"}, {"MURDER_DEPLOY_HOSTS", "g"}};
  EXPECT_EQ(result("deploy"), "g ");
  variables.clear();
  files.clear();
  add_file("hosts = \"a.txt\"\nhost = \"b\"\n");
  EXPECT_EQ(result("deploy"), "a.txt b ");
  files.clear();
  add_file("hosts = \"a.txt\"\n[deploy]\nhost = \"canary\"\n");
  EXPECT_EQ(result("deploy"), "canary ");
}

TEST_F(ConfiguredFlagsTest, a_flag_that_means_something_else_elsewhere_is_its_command_s_own) {
  int count = 16;
  configured_by_its_command(*app.add_subcommand("demo")->add_option("--hosts", count));
  std::string hosts;
  app.add_subcommand("deploy")->add_option("--hosts", hosts);
  add_file("hosts = \"a.txt\"\n");
  run("demo");
  EXPECT_EQ(count, 16);
  run("deploy");
  EXPECT_EQ(hosts, "a.txt");
  variables = {{"MURDER_HOSTS", "b.txt"}};
  run("demo");
  EXPECT_EQ(count, 16);
  variables = {{"MURDER_HOSTS", "b.txt"}, {"MURDER_DEMO_HOSTS", "3"}};
  run("demo");
  EXPECT_EQ(count, 3);
  add_file("[demo]\nhosts = 4\n");
  variables = {{"MURDER_HOSTS", "b.txt"}};
  run("demo");
  EXPECT_EQ(count, 4);
}

}  // namespace
}  // namespace murder::cli
