// The tests' main, which is also the victim of some: called with --victim it makes a lab, starts a
// child in it, prints the child's pid and waits to be killed.
#include <cstdio>
#include <gtest/gtest.h>
#include <string_view>
#include <unistd.h>

#include "lab/lab.hpp"
#include "lab/ssh_hosts.hpp"

namespace {

int be_a_victim(std::string_view kind) {
  using murder::lab::Lab;
  const auto lab =
      kind == "loopback" ? Lab::on_loopback({.hosts = 1}) : Lab::with_namespaces({.hosts = 1});
  const murder::lab::Process child = lab->spawn(0, {"sleep", "1000"}, -1, -1);
  std::printf("%d\n", child.pid());
  std::fflush(stdout);
  for (;;) ::pause();
}

/// The same with a host that has sshd, whose files lie in this folder; it prints the host's name.
int be_a_victim_with_sshd(const char* folder) {
  const auto lab = murder::lab::Lab::on_loopback({.hosts = 2});
  const murder::lab::SshHosts hosts(*lab, {.folder = folder});
  std::printf("%s\n", hosts.name(1).c_str());
  std::fflush(stdout);
  for (;;) ::pause();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "--victim") return be_a_victim_with_sshd(argv[3]);
  if (argc == 3 && std::string_view(argv[1]) == "--victim") return be_a_victim(argv[2]);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
