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
    bool try_again;
    const char* reason;
  } cases[] = {
      {"ssh: connect to host web1 port 22: Connection refused\r\n", false, "Connection refused"},
      {"ssh: Could not resolve hostname web9: Name or service not known\n", false,
       "check the name"},
      {"deploy@web1: Permission denied (publickey).\r\n", false, "no key was accepted"},
      {"@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@@\nHost key verification "
       "failed.\n",
       false, "host key changed"},
      {"kex_exchange_identification: read: Connection reset by peer\n", true, "MaxStartups"},
      {"Connection closed by 10.0.0.1 port 22\n", true, "Connection closed"},
      {"Welcome to web1\nsudo: a password is required\n", false, "NOPASSWD"},
  };
  for (const auto& c : cases) {
    const SshFailure failure = explain_ssh_failure(255, c.said);
    EXPECT_EQ(failure.try_again, c.try_again) << c.said;
    EXPECT_NE(failure.reason.find(c.reason), std::string::npos) << failure.reason;
    EXPECT_EQ(failure.reason.find('\n'), std::string::npos);
  }
}

TEST(SshFailures, what_is_not_known_is_quoted) {
  EXPECT_EQ(explain_ssh_failure(255, "something new\r\n").reason, "something new");
  EXPECT_NE(explain_ssh_failure(255, "").reason.find("no reason"), std::string::npos);
  EXPECT_EQ(explain_ssh_failure(127, "sh: not found").kind, ErrorKind::failed);
  EXPECT_EQ(explain_ssh_failure(255, "x").kind, ErrorKind::unreachable);
}

}  // namespace
}  // namespace murder::fleet
