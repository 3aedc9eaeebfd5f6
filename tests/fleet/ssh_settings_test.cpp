#include "fleet/ssh_settings.hpp"

#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/temp_dir.hpp"

namespace murder::fleet {
namespace {

namespace fs = std::filesystem;

class JumpHosts : public testing::Test {
 protected:
  void write(const fs::path& below, const std::string& text) {
    fs::create_directories((folder_.path() / below).parent_path());
    write_file_atomically((folder_.path() / below).string(), text);
  }
  bool may_be(std::vector<std::string> program) const {
    SshOptions options;
    options.program = std::move(program);
    return may_have_jump_hosts(options, folder_.path());
  }
  std::string own(const char* name) const { return (folder_.path() / name).string(); }

  test::TempDir folder_;
};

TEST(SshSettings, are_read_from_what_ssh_writes) {
  const SshSettings jump = parse_ssh_settings(
      "user deploy\nhostname 10.0.0.1\nproxyusefdpass no\nproxyjump bob@jump:22,two\n");
  EXPECT_EQ(jump.user, "deploy");
  EXPECT_EQ(jump.via, "bob@jump:22,two");
  EXPECT_EQ(parse_ssh_settings("proxycommand nc %h %p\r\n").via, "nc %h %p");
  EXPECT_EQ(parse_ssh_settings("proxycommand none\nproxyjump none").via, "");
  EXPECT_EQ(parse_ssh_settings("").via, "");
}

TEST(SshSettings, only_a_program_called_ssh_is_asked) {
  SshOptions options;
  EXPECT_TRUE(can_be_asked(options));
  options.program = {"/opt/bin/ssh", "-4"};
  EXPECT_TRUE(can_be_asked(options));
  options.program = {"./connect"};
  EXPECT_FALSE(can_be_asked(options));
}

TEST_F(JumpHosts, are_found_in_the_configuration_that_ssh_reads) {
  write("plain", "Host *\n  User deploy\n# ProxyJump jump\n");
  write("jump", "Host *\n\tProxyJump=jump\n");
  write("command", "Match exec true\n  PROXYCOMMAND nc %h %p\n");
  EXPECT_FALSE(may_be({"ssh", "-F", own("plain")}));
  EXPECT_FALSE(may_be({"ssh", "-F" + own("plain")}));
  EXPECT_TRUE(may_be({"ssh", "-F", own("jump")}));
  EXPECT_TRUE(may_be({"ssh", "-F" + own("command")}));
  EXPECT_FALSE(may_be({"ssh", "-F", "none"}));
  write(".ssh/config", "Host a\n  ProxyJump jump\n");
  EXPECT_TRUE(may_be({"ssh"}));
  EXPECT_FALSE(may_be({"ssh", "-F", own("plain")})) << "then no other is read";
}

TEST_F(JumpHosts, are_found_in_what_is_included) {
  write(".ssh/conf.d/10-own", "Host a\n");
  write(".ssh/config", "Include conf.d/*\n");
  EXPECT_FALSE(may_be({"ssh", "-F", own(".ssh/config")}));
  write(".ssh/conf.d/20-more", "include \"~/.ssh/deep er\"");
  write(".ssh/deep er", "proxyjump jump");
  EXPECT_TRUE(may_be({"ssh", "-F", own(".ssh/config")}));
  write(".ssh/config", "Include config\n");
  EXPECT_TRUE(may_be({"ssh", "-F", own(".ssh/config")})) << "what never ends: ssh itself is asked";
}

TEST_F(JumpHosts, are_found_among_the_options) {
  write("plain", "");
  EXPECT_TRUE(may_be({"ssh", "-F", own("plain"), "-J", "jump"}));
  EXPECT_TRUE(may_be({"ssh", "-F", own("plain"), "-oProxyCommand=nc %h %p"}));
  EXPECT_FALSE(may_be({"ssh", "-F", own("plain"), "-4"}));
}

}  // namespace
}  // namespace murder::fleet
