#include "lab/ssh_hosts.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <optional>
#include <sstream>
#include <unistd.h>

#include "base/error.hpp"
#include "lab/own_files.hpp"
#include "lab/support.hpp"

namespace murder {
namespace {

using namespace lab_test;
using lab::Lab;
using lab::SshHosts;
namespace fs = std::filesystem;

#define SKIP_WITHOUT_SSHD()                                        \
  do {                                                             \
    std::string why_not;                                           \
    if (!SshHosts::can_be_made(&why_not)) GTEST_SKIP() << why_not; \
  } while (false)

/// A lab with some hosts that have sshd.
struct Fleet {
  ScratchFolder scratch;
  std::unique_ptr<Lab> lab;
  std::optional<SshHosts> hosts;

  explicit Fleet(std::unique_ptr<Lab> with_host_0, bool own_files = true,
                 const std::string& settings = {})
      : lab(std::move(with_host_0)) {
    hosts.emplace(*lab, lab::SshHostsOptions{scratch.path(), own_files, settings});
  }

  lab::Process ssh(std::size_t host, const std::string& command, int out = -1, int err = -1) {
    return lab->spawn(0,
                      {"ssh", "-F", hosts->ssh_config(), "-o", "BatchMode=yes", "-o",
                       "ConnectTimeout=2", hosts->name(host), command},
                      out, err);
  }

  /// What the command prints on that host; it has ended well.
  std::string output(std::size_t host, const std::string& command) {
    return output_of(
        *lab, 0,
        {"ssh", "-F", hosts->ssh_config(), "-o", "BatchMode=yes", hosts->name(host), command});
  }

  /// Starts something on the host that goes on without its session; its pid as seen from here.
  pid_t leave_behind(std::size_t host) {
    // Other tests, at the same time, look for theirs.
    const std::string command = fmt::format("sleep 1000{}.{}", host, ::getpid());
    output(host, fmt::format("setsid {} >/dev/null 2>&1 </dev/null & echo", command));
    pid_t found = 0;
    EXPECT_TRUE(comes_true([&] { return (found = find(command + " ")) > 0; }));
    return found;
  }

  static pid_t find(const std::string& command_line) {
    for (const auto& entry : fs::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "cmdline");
      std::string words;
      for (std::string word; std::getline(file, word, '\0');) words += word + " ";
      if (words == command_line) return std::stoi(entry.path().filename());
    }
    return 0;
  }
};

std::unique_ptr<Lab> on_loopback(std::size_t hosts) { return Lab::on_loopback({.hosts = hosts}); }

std::unique_ptr<Lab> with_namespaces(std::size_t hosts) {
  return Lab::with_namespaces({.hosts = hosts});
}

void every_host_answers_with_its_own_files(Fleet& fleet) {
  for (std::size_t host = 1; host <= fleet.hosts->count(); ++host) {
    const fs::path dest = fleet.hosts->dest(host);
    EXPECT_EQ(fleet.output(host, fmt::format("mkdir {0} && echo {1} | tee {0}/name ~/name",
                                             dest.native(), host)),
              fmt::format("{}\n", host));
  }
  for (std::size_t host = 1; host <= fleet.hosts->count(); ++host)
    for (const fs::path& folder :
         {fleet.hosts->dest_from_outside(host), fleet.hosts->home_from_outside(host)})
      EXPECT_EQ(read_file(folder / "name"), fmt::format("{}\n", host));
}

void a_host_that_is_stopped_is_gone_and_comes_back(Fleet& fleet) {
  const pid_t on_first = fleet.leave_behind(1);
  const pid_t on_second = fleet.leave_behind(2);
  const std::string file = (fleet.hosts->dest(1).parent_path() / "kept").native();
  fleet.output(1, "echo kept >" + file);
  fleet.hosts->stop(1);
  fleet.hosts->stop(1);
  EXPECT_TRUE(comes_true([&] { return is_dead(on_first); }));
  EXPECT_FALSE(is_dead(on_second));
  EXPECT_EQ(fleet.ssh(1, "true").wait(), 255);
  EXPECT_EQ(fleet.output(2, "echo here"), "here\n");
  fleet.hosts->start(1);
  fleet.hosts->start(1);
  EXPECT_EQ(fleet.output(1, "cat " + file), "kept\n");
  fleet.hosts.reset();
  EXPECT_TRUE(comes_true([&] { return is_dead(on_second); }));
}

TEST(SshHosts, in_namespaces_each_answers_and_has_its_own_files_at_the_same_path) {
  SKIP_WITHOUT_NAMESPACES();
  SKIP_WITHOUT_SSHD();
  Fleet fleet(with_namespaces(4));
  if (!fleet.hosts->have_own_files()) GTEST_SKIP() << "this system gives no mount namespaces";
  EXPECT_EQ(fleet.hosts->count(), 3u);
  EXPECT_EQ(fleet.hosts->dest(1), fleet.hosts->dest(3));
  every_host_answers_with_its_own_files(fleet);
  EXPECT_EQ(read_file(fleet.hosts->hosts_file()), "host-01\nhost-02\nhost-03\n");
  EXPECT_EQ(fleet.output(2, "hostname; echo $SSH_CONNECTION | cut -d ' ' -f 1,3"),
            fmt::format("host-02\n{} {}\n", fleet.lab->address(0).to_string(),
                        fleet.lab->address(2).to_string()));
}

TEST(SshHosts, in_namespaces_one_that_is_stopped_is_gone_and_comes_back) {
  SKIP_WITHOUT_NAMESPACES();
  SKIP_WITHOUT_SSHD();
  Fleet fleet(with_namespaces(3));
  a_host_that_is_stopped_is_gone_and_comes_back(fleet);
}

TEST(SshHosts, on_loopback_each_answers_and_has_its_own_files) {
  SKIP_WITHOUT_SSHD();
  Fleet fleet(on_loopback(3));
  EXPECT_EQ(fleet.hosts->have_own_files(), fleet.hosts->dest(1) == fleet.hosts->dest(2));
  every_host_answers_with_its_own_files(fleet);
}

TEST(SshHosts, on_loopback_one_that_is_stopped_is_gone_and_comes_back) {
  SKIP_WITHOUT_SSHD();
  Fleet fleet(on_loopback(3));
  a_host_that_is_stopped_is_gone_and_comes_back(fleet);
}

TEST(SshHosts, without_own_files_dest_differs_and_the_inventory_says_so) {
  SKIP_WITHOUT_SSHD();
  Fleet fleet(on_loopback(3), false);
  EXPECT_FALSE(fleet.hosts->have_own_files());
  every_host_answers_with_its_own_files(fleet);
  EXPECT_EQ(read_file(fleet.hosts->hosts_file()),
            fmt::format("host-01 addr=127.0.1.2 dest={}\nhost-02 addr=127.0.1.3 dest={}\n",
                        fleet.hosts->dest(1).native(), fleet.hosts->dest(2).native()));
  EXPECT_EQ(fleet.output(2, "echo $HOME"), fleet.hosts->home_from_outside(2).native() + "\n");
}

TEST(SshHosts, without_own_files_one_that_is_stopped_is_gone_and_comes_back) {
  SKIP_WITHOUT_SSHD();
  Fleet fleet(on_loopback(3), false);
  a_host_that_is_stopped_is_gone_and_comes_back(fleet);
}

TEST(SshHosts, two_fleets_on_loopback_do_not_meet) {
  SKIP_WITHOUT_SSHD();
  Fleet first(on_loopback(2));
  Fleet second(on_loopback(2));
  first.output(1, "touch ~/first");
  EXPECT_EQ(second.output(1, "ls ~"), "");
}

TEST(SshHosts, host_keys_are_checked) {
  SKIP_WITHOUT_SSHD();
  Fleet fleet(on_loopback(3));
  const fs::path known = fleet.scratch.path() / "known_hosts";
  std::istringstream lines(read_file(known));
  std::string first, second;
  std::getline(lines, first);
  std::getline(lines, second);
  // The second host's address with the first host's key.
  write_file_atomically(known, first + "\n" + second.substr(0, second.find(' ')) +
                                   first.substr(first.find(' ')) + "\n");
  EXPECT_EQ(fleet.ssh(1, "true").wait(), 0);
  EXPECT_EQ(fleet.ssh(2, "true").wait(), 255);
}

TEST(SshHosts, an_sshd_that_does_not_start_is_named_and_nothing_is_left) {
  SKIP_WITHOUT_SSHD();
  try {
    Fleet fleet(on_loopback(3), true, "NoSuchSetting yes");
    FAIL() << "it was started";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("cannot start sshd on host-01: "), 0u) << error.what();
    EXPECT_NE(std::string(error.what()).find("NoSuchSetting"), std::string::npos) << error.what();
  }
}

TEST(SshHosts, a_lab_without_a_second_host_is_a_usage_error) {
  SKIP_WITHOUT_SSHD();
  try {
    Fleet fleet(on_loopback(1));
    FAIL() << "there is nothing to log in to";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
  }
}

TEST(SshHosts, what_runs_on_them_dies_with_a_killed_process) {
  SKIP_WITHOUT_SSHD();
  const auto bystander = on_loopback(1);
  const ScratchFolder scratch;
  Pipe pipe;
  lab::Process victim = bystander->spawn(
      0, {"/proc/self/exe", "--victim", "ssh", scratch.path().native()}, pipe.write_end.get(), -1);
  pipe.write_end.reset();
  const std::string name = read_line(pipe.read_end.get());
  const pid_t child =
      lab::first_process_of(read_file(scratch.path() / "hosts" / name / "boot.log"));
  if (child == 0) GTEST_SKIP() << "this system gives no mount namespaces";
  EXPECT_FALSE(is_dead(child));
  victim.signal(SIGKILL);
  EXPECT_EQ(victim.wait(), 128 + SIGKILL);
  EXPECT_TRUE(comes_true([&] { return is_dead(child); }));
}

TEST(OwnFiles, what_hides_the_others_is_mounted_last) {
  const auto command = lab::first_process_command(
      "host-07", {{"/tmp/work/tmp", "/tmp"}, {"/tmp/work/srv", "/srv"}}, {"true"});
  const auto at = [&](const char* word) { return std::ranges::find(command, word); };
  EXPECT_LT(at("/srv"), at("/tmp"));
  EXPECT_LT(at("host-07"), at("/srv"));
  EXPECT_EQ(command.back(), "true");
}

TEST(OwnFiles, a_path_lies_in_a_folder_or_not) {
  EXPECT_TRUE(lab::lies_in("/srv/app", "/srv"));
  EXPECT_TRUE(lab::lies_in("/srv", "/srv"));
  EXPECT_FALSE(lab::lies_in("/srv2/app", "/srv"));
  EXPECT_FALSE(lab::lies_in("/", "/srv"));
}

TEST(OwnFiles, the_first_process_says_who_it_is) {
  EXPECT_EQ(lab::first_process_of("first process 17\nmount: no\n"), 17);
  for (const char* other : {"", "first process", "first process x", "sh: not found", "first 17"})
    EXPECT_EQ(lab::first_process_of(other), 0) << other;
}

}  // namespace
}  // namespace murder
