#include "host/command.hpp"

#include <fstream>
#include <thread>

#include "host/spawn.hpp"
#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;
using namespace std::chrono_literals;

/// So long that only a failure would use it up.
constexpr Duration ample = 60s;
/// Of what hangs: so long that a shell on a busy machine has come as far as to hang.
constexpr Duration limit = 3s;

CommandOutcome run(const std::string& command, Duration timeout = ample) {
  return run_command({.command = command, .timeout = timeout});
}

TEST(Command, its_status_and_both_its_outputs_are_told) {
  const CommandOutcome outcome = run("echo out; echo err >&2; exit 3");
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(outcome.output, "out\nerr\n");
  EXPECT_EQ(outcome.output_bytes, 8u);
  EXPECT_FALSE(outcome.well());
  EXPECT_EQ(outcome.reason(ample), "exit status 3");
  EXPECT_TRUE(run("true").well());
}

TEST(Command, one_that_a_signal_ends_names_the_signal) {
  const CommandOutcome outcome = run("kill -9 $$");
  EXPECT_EQ(outcome.status, 128 + SIGKILL);
  EXPECT_EQ(outcome.reason(ample), "killed by signal 9 (SIGKILL)");
}

TEST(Command, it_runs_in_its_folder_with_its_variables_beside_ours) {
  const TempFolder temp;
  const UniqueFd folder = open_file(temp.path(), O_PATH | O_DIRECTORY);
  ::setenv("MURDER_TEST_OURS", "ours", 1);
  ::setenv("MURDER_TEST_BOTH", "ours", 1);
  const CommandOutcome outcome =
      run_command({.command = "pwd; echo \"$MURDER_TEST_OURS $MURDER_TEST_BOTH $MURDER_TAG\"",
                   .folder = folder.get(),
                   .environment = {{"MURDER_TEST_BOTH", "theirs"}, {"MURDER_TAG", "v 7"}}});
  ::unsetenv("MURDER_TEST_OURS");
  ::unsetenv("MURDER_TEST_BOTH");
  EXPECT_EQ(outcome.output, fs::canonical(temp.path()).native() + "\nours theirs v 7\n");
}

TEST(Command, it_can_read_nothing_and_has_no_descriptor_of_ours) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const CommandOutcome outcome = run("cat; ls /proc/self/fd | wc -l");
  EXPECT_EQ(outcome.output, "4\n");  // its own three and the folder that ls(1) reads
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Command, signals_that_we_block_or_ignore_are_not_so_for_it) {
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto pipe_before = ::signal(SIGPIPE, SIG_IGN);
  // Without the two real-time signals that the C library keeps for itself.
  const CommandOutcome outcome =
      run("sed -nE 's/^Sig(Blk|Ign):.*(.)(.{7})$/\\1 \\3/p' /proc/self/status");
  ::signal(SIGPIPE, pipe_before);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(outcome.output, "Blk 0000000\nIgn 0000000\n");
}

TEST(Command, one_that_hangs_is_ended_with_its_whole_group) {
  const TempFolder temp;
  const fs::path child = temp.path() / "child";
  const CommandOutcome outcome = run("sleep 1000 & echo $! > " + child.native() + "; wait", limit);
  EXPECT_TRUE(outcome.timed_out);
  EXPECT_FALSE(outcome.well());
  EXPECT_EQ(outcome.reason(limit), "not done within 3 s");
  const pid_t pid = std::stoi(read_text(child));
  // Killed; it may still be on its way out, and init may not have reaped it.
  const auto is_dead = [&] {
    if (::kill(pid, 0) != 0) return true;
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    return !std::getline(stat, line) || line.find(") Z ") != std::string::npos;
  };
  for (int i = 0; i < 6000 && !is_dead(); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(is_dead());
}

TEST(Command, one_that_will_not_hear_of_ending_is_killed) {
  const CommandOutcome outcome =
      run("trap '' TERM; echo ready; while :; do sleep 0.1; done", limit);
  EXPECT_TRUE(outcome.timed_out);
  EXPECT_EQ(outcome.status, 128 + SIGKILL);
  EXPECT_EQ(outcome.output, "ready\n");
}

TEST(Command, one_that_ends_well_on_being_told_to_has_timed_out_all_the_same) {
  const CommandOutcome outcome = run("trap 'echo bye; exit 0' TERM; sleep 1000 & wait", limit);
  EXPECT_TRUE(outcome.timed_out);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.output, "bye\n");
  EXPECT_FALSE(outcome.well());
}

TEST(Command, a_daemon_that_keeps_the_pipe_open_is_not_waited_for) {
  const TempFolder temp;
  const fs::path daemon = temp.path() / "daemon";
  const Instant began = std::chrono::steady_clock::now();
  const CommandOutcome outcome =
      run("sleep 1000 & echo $! > " + daemon.native() + "; echo started");
  EXPECT_LT(std::chrono::steady_clock::now() - began, ample);
  EXPECT_TRUE(outcome.well());
  EXPECT_EQ(outcome.output, "started\n");
  const pid_t pid = std::stoi(read_text(daemon));
  EXPECT_EQ(::kill(pid, 0), 0) << "the daemon was ended";
  ::kill(pid, SIGKILL);
}

TEST(Command, a_daemon_that_never_stops_printing_is_not_waited_for) {
  const TempFolder temp;
  const fs::path daemon = temp.path() / "daemon";
  const CommandOutcome outcome = run("yes & echo $! > " + daemon.native());
  EXPECT_TRUE(outcome.well());
  ::kill(std::stoi(read_text(daemon)), SIGKILL);
}

TEST(Command, output_without_end_costs_no_memory_and_does_not_stall_it) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr std::uint64_t size = 64'000'000;
#else
  constexpr std::uint64_t size = 1'000'000'000;
#endif
  const CommandOutcome outcome = run("echo begin; head -c " + std::to_string(size) +
                                     " /dev/zero | tr '\\0' x; echo; echo end");
  EXPECT_TRUE(outcome.well()) << outcome.reason(ample);
  EXPECT_EQ(outcome.output_bytes, size + 11);
  EXPECT_LT(outcome.output.size(), 2 * kept_output_bytes + 100);
  EXPECT_TRUE(outcome.output.starts_with("begin\nxxx"));
  EXPECT_TRUE(outcome.output.ends_with("xxx\nend\n"));
  EXPECT_NE(outcome.output.find(" left out …]\n"), std::string::npos);
}

TEST(Command, it_is_ended_when_nobody_wants_it_any_more) {
  std::stop_source source;
  std::thread stopper([&] { source.request_stop(); });
  const CommandOutcome outcome =
      run_command({.command = "sleep 1000", .timeout = ample, .stop = source.get_token()});
  stopper.join();
  EXPECT_TRUE(outcome.stopped);
  EXPECT_FALSE(outcome.timed_out);
  EXPECT_FALSE(outcome.well());
}

TEST(Command, without_a_shell_the_error_says_so) {
  expect_error(ErrorKind::failed, "cannot run /no/such/shell: No such file or directory",
               [] { run_command({.command = "true", .shell = "/no/such/shell"}); });
}

TEST(Command, many_at_once_in_many_threads_do_not_disturb_each_other) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([i] {
      for (int round = 0; round < 5; ++round) {
        const CommandOutcome outcome =
            run("echo " + std::to_string(i) + "; exit " + std::to_string(i));
        EXPECT_EQ(outcome.status, i);
        EXPECT_EQ(outcome.output, std::to_string(i) + "\n");
      }
    });
}

TEST(OutputEnds, whatever_the_parts_the_two_ends_are_kept) {
  std::string all;
  for (int i = 0; all.size() < 5 * kept_output_bytes; ++i) all += std::to_string(i) + ",";
  for (const std::size_t part : {1000u, 32768u, 40000u, 100000u, 1000000u}) {
    OutputEnds ends;
    for (std::size_t at = 0; at < all.size(); at += part)
      ends.add(std::string_view(all).substr(at, part));
    EXPECT_EQ(ends.bytes(), all.size());
    const std::string text = ends.text();
    EXPECT_TRUE(text.starts_with(all.substr(0, kept_output_bytes) + "\n[… ")) << part;
    EXPECT_TRUE(text.ends_with("left out …]\n" + all.substr(all.size() - kept_output_bytes)))
        << part;
  }
}

TEST(OutputEnds, what_fits_is_kept_whole) {
  for (const std::size_t size : {0u, 1u, 32768u, 32769u, 65535u, 65536u}) {
    const std::string all = noise(size, 1);
    OutputEnds ends;
    for (std::size_t at = 0; at < all.size(); at += 777)
      ends.add(std::string_view(all).substr(at, 777));
    EXPECT_EQ(ends.text(), all) << size;
  }
}

TEST(Spawn, a_lock_that_is_kept_lives_as_long_as_the_program) {
  const TempFolder temp;
  const UniqueFd lock = open_file(temp.path() / "lock", O_RDWR | O_CREAT);
  const pid_t child = spawn({.program = "/bin/sh",
                             .argv = {"sh", "-c", "readlink /proc/self/fd/3 > out; sleep 1000"},
                             .folder = open_file(temp.path(), O_PATH | O_DIRECTORY).get(),
                             .keep = lock.get()});
  while (!is_there(temp.path() / "out") || fs::file_size(temp.path() / "out") == 0)
    std::this_thread::yield();
  EXPECT_EQ(read_text(temp.path() / "out"), fs::canonical(temp.path() / "lock").native() + "\n");
  EXPECT_EQ(::getsid(child), child);
  EXPECT_EQ(reap(child), std::nullopt);
  ::kill(-child, SIGKILL);
  std::optional<int> status;
  while (!(status = reap(child))) std::this_thread::yield();
  EXPECT_EQ(status, 128 + SIGKILL);
}

}  // namespace
}  // namespace murder
