#include "fleet/ssh.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace murder::fleet {
namespace {

using Words = std::vector<std::string>;

TEST(SshCommand, words_are_cut_as_a_shell_would) {
  EXPECT_EQ(split_words("ssh -F '/etc/my config' -o \"User=a b\" x\\ y", "MURDER_SSH"),
            (Words{"ssh", "-F", "/etc/my config", "-o", "User=a b", "x y"}));
  EXPECT_EQ(split_words("  ssh  ''  ", "x"), (Words{"ssh", ""}));
  EXPECT_THROW(split_words("ssh 'open", "x"), Error);
  EXPECT_THROW(split_words("   ", "x"), Error);
}

TEST(SshCommand, a_host_can_never_be_taken_for_an_option) {
  SshOptions options;
  Host host;
  host.host = "web1";
  host.user = "deploy";
  host.port = 2222;
  const Words argv = ssh_command(options, host, "true");
  ASSERT_GE(argv.size(), 4u);
  EXPECT_EQ(argv.back(), "true");
  EXPECT_EQ(argv[argv.size() - 2], "web1");
  EXPECT_EQ(argv[argv.size() - 3], "--");
  EXPECT_NE(std::find(argv.begin(), argv.end(), "BatchMode=yes"), argv.end());
  EXPECT_NE(std::find(argv.begin(), argv.end(), "2222"), argv.end());
}

TEST(SshCommand, what_the_user_says_comes_before_what_we_say) {
  SshOptions options;
  options.program = {"ssh", "-o", "BatchMode=no"};
  const Words argv = ssh_command(options, Host{}, "true");
  const auto theirs = std::find(argv.begin(), argv.end(), "BatchMode=no");
  const auto ours = std::find(argv.begin(), argv.end(), "BatchMode=yes");
  EXPECT_LT(theirs, ours);
}

TEST(SshFailures, are_told_apart) {
  const struct {
    const char* said;
    Tries tries;
    const char* reason;
  } cases[] = {
      {"ssh: connect to host web1 port 22: Connection refused\r\n", Tries::one,
       "Connection refused"},
      {"ssh: Could not resolve hostname web9: Name or service not known\n", Tries::one,
       "check the name"},
      {"deploy@web1: Permission denied (publickey).\r\n", Tries::one, "no key was accepted"},
      {"@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@@\nHost key verification "
       "failed.\n",
       Tries::one, "host key changed"},
      {"kex_exchange_identification: read: Connection reset by peer\n", Tries::many, "MaxStartups"},
      {"Connection closed by 10.0.0.1 port 22\n", Tries::many, "Connection closed"},
      {"Connection timed out during banner exchange\r\nConnection to 10.0.0.1 port 22 timed out",
       Tries::two, "does not answer"},
      {"channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed\n"
       "kex_exchange_identification: Connection closed by remote host\n",
       Tries::one, "its jump host cannot reach it"},
      {"Welcome! Whoever says Connection refused here is wrong\nsomething new", Tries::one,
       "Connection refused"},
  };
  for (const auto& c : cases) {
    const SshFailure failure = explain_ssh_failure(255, c.said);
    EXPECT_EQ(failure.tries, c.tries) << c.said;
    EXPECT_EQ(failure.kind, ErrorKind::unreachable);
    EXPECT_NE(failure.reason.find(c.reason), std::string::npos) << failure.reason;
    EXPECT_EQ(failure.reason.find('\n'), std::string::npos);
  }
}

TEST(SshFailures, what_sudo_says_names_the_line_that_helps) {
  const char* const said =
      "Welcome! Permission denied is what strangers get\n"
      "sudo: a password is required\n";
  EXPECT_TRUE(is_refused_by_sudo(1, said));
  const SshFailure failure = explain_ssh_failure(1, said, "deploy");
  EXPECT_EQ(failure.kind, ErrorKind::failed);
  EXPECT_NE(failure.reason.find("\"deploy ALL=(root) NOPASSWD: /bin/sh\""), std::string::npos)
      << failure.reason;
  EXPECT_NE(explain_ssh_failure(1, said).reason.find("\"USER ALL"), std::string::npos);
  for (const char* missing :
       {"env: \xe2\x80\x98sudo\xe2\x80\x99: No such file or directory\n",
        "env: can't execute 'sudo': No such file or directory", "sh: 1: sudo: not found"}) {
    EXPECT_FALSE(is_refused_by_sudo(127, missing));
    EXPECT_NE(explain_ssh_failure(127, missing).reason.find("not installed"), std::string::npos);
  }
  // When ssh itself has failed nothing was said by sudo.
  EXPECT_FALSE(is_refused_by_sudo(255, said));
}

TEST(SshFailures, what_is_not_known_is_quoted) {
  EXPECT_EQ(explain_ssh_failure(255, "something new\r\n").reason, "something new");
  EXPECT_NE(explain_ssh_failure(255, "").reason.find("no reason"), std::string::npos);
  EXPECT_EQ(explain_ssh_failure(127, "sh: not found").kind, ErrorKind::failed);
  EXPECT_EQ(explain_ssh_failure(255, "x").kind, ErrorKind::unreachable);
}

}  // namespace
}  // namespace murder::fleet
