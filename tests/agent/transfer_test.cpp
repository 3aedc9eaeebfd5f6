#include "agent/support.hpp"

namespace murder::agent {
namespace {

using namespace test;

/// Of the torrents that these tests speak of.
const std::string info_hash(40, '1');

class TransferTest : public AgentTest {
 protected:
  void TearDown() override {
    for (const pid_t pid : started()) ::kill(pid, SIGKILL);
  }
  orders::Stage order(const std::string& behaviour) const {
    orders::Stage order;
    order.dest = dest();
    order.tag = "v7";
    order.info_hash = info_hash;
    order.torrent_url = "fake:v7:" + behaviour;
    return order;
  }
  std::vector<std::string> command_lines() const {
    std::vector<std::string> lines;
    std::ifstream file(path("started"));
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }
  /// The transfers that were started, as their process ids.
  std::vector<pid_t> started() const {
    std::vector<pid_t> pids;
    for (const std::string& line : command_lines())
      pids.push_back(std::stoi(line.substr(line.rfind(' ') + 1)));
    return pids;
  }
  static bool is_alive(pid_t pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    return std::getline(stat, line) && line.find(") Z ") == std::string::npos;
  }
};

TEST_F(TransferTest, it_is_started_listened_to_and_answered_for_when_staged) {
  Control control(state());
  orders::Stage given = order("stage");
  given.trackers = {"http://10.0.0.1:8998/announce", "http://10.0.0.2:8998/announce"};
  given.host = "web1";
  given.address = "10.0.0.3";
  given.owner = "app:web";
  given.up = "1Gbit";
  given.timeout_s = 90;
  given.linger_s = 33;
  const orders::Staged staged = control.ask(given);
  EXPECT_FALSE(staged.already);
  EXPECT_EQ(staged.fetched_bytes, 100u);
  EXPECT_EQ(staged.resumed_bytes, 20u);
  EXPECT_TRUE(control.was_said("\"event\":\"transfer\""));
  EXPECT_TRUE(control.was_said("\"event\":\"complete\""));
  ASSERT_EQ(started().size(), 1u);
  EXPECT_EQ(command_lines()[0],
            "peer fake:v7:stage --to " + dest() + " --control --no-config --info-hash " +
                info_hash +
                " --timeout 90s --linger swarm:33s --tracker http://10.0.0.1:8998/announce "
                "--tracker http://10.0.0.2:8998/announce --name web1 --listen 10.0.0.3 --owner "
                "app:web --up 1Gbit " +
                std::to_string(started()[0]));
}

TEST_F(TransferTest, it_outlives_the_session_and_the_next_one_joins_it) {
  {
    Control control(state());
    control.give(order("wait"));
    control.wait_for("event", "transfer");
    EXPECT_EQ(control.close(), 0);
  }
  ASSERT_EQ(started().size(), 1u);
  EXPECT_TRUE(is_alive(started()[0]));
  Control control(state());
  EXPECT_TRUE(control.ask(orders::Look{dest(), "v7", info_hash}).fetching);
  const std::uint64_t id = control.give(order("wait"));
  control.wait_for("event", "transfer");
  control.send(R"({"order":"finish"})");
  EXPECT_EQ(control.answer<orders::Stage>(id).fetched_bytes, 100u);
  EXPECT_EQ(started().size(), 1u);
}

TEST_F(TransferTest, two_sessions_watch_one_transfer) {
  Control alice(state());
  Control bob(state());
  const std::uint64_t of_alice = alice.give(order("wait"));
  const std::uint64_t of_bob = bob.give(order("wait"));
  alice.wait_for("event", "transfer");
  bob.wait_for("event", "transfer");
  bob.send(R"({"order":"finish"})");
  EXPECT_NO_THROW(alice.answer<orders::Stage>(of_alice));
  EXPECT_NO_THROW(bob.answer<orders::Stage>(of_bob));
  // Whoever came second to start it has ended, or is about to.
  const auto alive = [&] {
    const std::vector<pid_t> pids = started();
    return std::count_if(pids.begin(), pids.end(), is_alive);
  };
  while (alive() > 1) std::this_thread::yield();
  EXPECT_EQ(alive(), 1);
}

TEST_F(TransferTest, one_that_is_killed_is_started_again) {
  Control control(state());
  EXPECT_EQ(control.ask(order("die-once")).fetched_bytes, 100u);
  EXPECT_EQ(started().size(), 2u);
  EXPECT_TRUE(control.was_said("killed by signal 9 (SIGKILL); it was started again"));
}

TEST_F(TransferTest, one_that_is_killed_again_and_again_is_given_up) {
  Control control(state());
  expect_error(ErrorKind::failed,
               "the transfer of v7 ended: killed by signal 9 (SIGKILL), 3 times; it said last: "
               "about to die; see " +
                   dest() + "/.murder/transfers/v7.log",
               [&] { control.ask(order("die")); });
  EXPECT_EQ(started().size(), 3u);
}

TEST_F(TransferTest, one_that_another_session_started_and_that_is_killed_is_started_anew) {
  Control alice(state());
  alice.give(order("wait"));
  alice.wait_for("event", "transfer");
  alice.close();
  Control bob(state());
  const std::uint64_t id = bob.give(order("stage"));
  bob.wait_for("event", "transfer");
  ASSERT_EQ(started().size(), 1u);
  ::kill(started()[0], SIGKILL);
  EXPECT_NO_THROW(bob.answer<orders::Stage>(id));
  EXPECT_EQ(started().size(), 2u);
}

TEST_F(TransferTest, what_it_says_of_its_failure_is_the_answer) {
  Control control(state());
  expect_error(ErrorKind::integrity, "piece 3 is wrong", [&] { control.ask(order("fail")); });
  EXPECT_EQ(started().size(), 1u);
}

TEST_F(TransferTest, one_that_ends_before_it_can_be_reached_is_answered_for_by_its_log) {
  Control control(state());
  expect_error(ErrorKind::usage, "v7 exists with other bytes",
               [&] { control.ask(order("refuse")); });
  EXPECT_EQ(started().size(), 1u);
}

TEST_F(TransferTest, one_of_other_bytes_is_not_joined) {
  Control control(state());
  expect_error(ErrorKind::usage, "a transfer of v7 with other bytes runs there",
               [&] { control.ask(order("other")); });
}

TEST_F(TransferTest, one_that_lets_a_slow_reader_go_is_joined_again) {
  Control control(state());
  EXPECT_NO_THROW(control.ask(order("let-go-once")));
  EXPECT_EQ(started().size(), 1u);
}

TEST_F(TransferTest, what_is_for_it_is_passed_on_as_it_is_and_waits_until_it_runs) {
  Control control(state());
  // All at once, before anything runs.
  const std::uint64_t id = control.give(order("wait"));
  const std::string piece = noise(100'000, 1);
  for (int i = 0; i < 20; ++i)
    control.send(R"({"order":"pieces","piece":1})", as_bytes(std::string_view(piece)));
  control.send(R"({"order":"have"})");
  control.wait_for("fed", "");
  const Frame have = control.wait_for("have");
  EXPECT_EQ(std::string(have.attachment.begin(), have.attachment.end()), "some");
  EXPECT_TRUE(control.was_said("{\"fed\":2000000}"));
  control.send(R"({"order":"finish"})");
  EXPECT_NO_THROW(control.answer<orders::Stage>(id));
}

TEST_F(TransferTest, one_that_does_not_read_holds_back_the_control_side) {
  Control control(state());
  control.give(order("deaf"));
  control.wait_for("event", "transfer");
  // More than all that may wait on the way, so that the last is not taken.
  const std::string frame =
      orders::encode_frame(R"({"order":"pieces","piece":1})", as_bytes(noise(1u << 20, 1)));
  std::size_t sent = 0;
  const std::size_t much = 64u << 20;
  std::string_view rest = frame;
  for (;;) {
    pollfd ask{control.fd(), POLLOUT, 0};
    // Held back when nothing more is taken for a while; taken all the same only by mistake.
    if (::poll(&ask, 1, 500) == 0 || sent > much) break;
    const ssize_t n = ::send(control.fd(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n <= 0) continue;
    sent += static_cast<std::size_t>(n);
    rest.remove_prefix(static_cast<std::size_t>(n));
    if (rest.empty()) rest = frame;
  }
  EXPECT_LT(sent, much);
  EXPECT_EQ(control.close(), 0) << "though it could not be passed on";
}

TEST_F(TransferTest, what_is_staged_already_is_answered_without_a_process) {
  // A torrent whose info-hash is known, as it lies beside a kept pack.
  const std::string torrent =
      "d4:infod6:lengthi1e4:name2:v012:piece lengthi16384e6:pieces20:01234567890123456789ee";
  write_text(path(".murder/packs/v1.torrent"), torrent);
  const std::string known =
      sha1("d6:lengthi1e4:name2:v012:piece lengthi16384e6:pieces20:01234567890123456789e").hex();
  Control control(state());
  orders::Stage given = order("stage");
  given.tag = "v1";
  given.info_hash = known;
  EXPECT_TRUE(control.ask(given).already);
  EXPECT_TRUE(started().empty());
  EXPECT_TRUE(control.ask(orders::Look{dest(), "v1", known}).staged);
  EXPECT_TRUE(control.ask(orders::Look{dest(), "v1", info_hash}).other_bytes);
  // Unless others need its pack.
  given.serve = true;
  given.torrent_url = "fake:v1:stage";
  EXPECT_TRUE(control.ask(given).already);
  EXPECT_EQ(started().size(), 1u);
}

TEST_F(TransferTest, orders_that_make_no_sense_are_refused) {
  Control control(state());
  orders::Stage given = order("stage");
  given.info_hash = "abc";
  expect_error(ErrorKind::usage, "is no info-hash", [&] { control.ask(given); });
  given = order("stage");
  given.tag = "../v7";
  expect_error(ErrorKind::usage, "bad tag", [&] { control.ask(given); });
  given = order("stage");
  given.torrent_url = "";
  expect_error(ErrorKind::usage, "neither a torrent nor its URL", [&] { control.ask(given); });
  expect_error(ErrorKind::integrity, "not the one of the order's info-hash", [&] {
    control.ask(given,
                "d4:infod6:lengthi1e4:name2:v012:piece lengthi16384e6:pieces20:"
                "01234567890123456789ee");
  });
  EXPECT_TRUE(started().empty());
}

TEST_F(TransferTest, a_tag_that_somebody_else_fetches_is_told_with_who_it_is) {
  const TransferLock lock(destination_, "v7");
  Control control(state());
  expect_error(ErrorKind::failed,
               "v7 in " + dest() + " is in use by process " + std::to_string(::getpid()),
               [&] { control.ask(order("stage")); });
}

class TrackerTest : public AgentTest {
 protected:
  void SetUp() override {
    AgentTest::SetUp();
    fs::create_directory(state());
  }
  void TearDown() override {
    for (const auto& folder : fs::directory_iterator(state()))
      for (const pid_t tracker : trackers_in(folder.path())) ::kill(tracker, SIGKILL);
  }
  /// Whoever holds the folder's lock open is one.
  static std::vector<pid_t> trackers_in(const fs::path& folder) {
    std::vector<pid_t> found;
    for (const auto& process : fs::directory_iterator("/proc")) {
      std::error_code ec;
      if (fs::read_symlink(process.path() / "fd/3", ec) == folder / "lock" && !ec)
        found.push_back(std::stoi(process.path().filename().native()));
    }
    return found;
  }
  orders::Tracker order(const std::string& deploy) const {
    return {.deploy = deploy,
            .address = "127.0.0.1",
            .expect = 16,
            .idle_s = 77,
            .with_session = false,
            .ports = {}};
  }
};

TEST_F(TrackerTest, it_is_started_and_its_urls_are_told) {
  Control control(state());
  const orders::TrackerRuns runs = control.ask(order("d1"));
  EXPECT_TRUE(runs.announce_url.starts_with("http://127.0.0.1:")) << runs.announce_url;
  EXPECT_TRUE(runs.announce_url.ends_with("/announce"));
  EXPECT_TRUE(runs.files_url.ends_with("/files/"));
  const std::string arguments = read_text(state() / "deploy-d1/arguments");
  EXPECT_NE(arguments.find("--files " + (state() / "deploy-d1/files").native()), std::string::npos);
  EXPECT_NE(arguments.find("--exit-when-idle 77s --expect 16"), std::string::npos) << arguments;
}

TEST_F(TrackerTest, one_of_the_same_deploy_is_used_again_by_the_next_session) {
  std::string url;
  {
    Control control(state());
    url = control.ask(order("d1")).announce_url;
  }
  Control control(state());
  EXPECT_EQ(control.ask(order("d1")).announce_url, url);
  // Another deploy has one of its own, elsewhere in the meantime.
  EXPECT_TRUE(is_there(state() / "deploy-d1"));
  control.ask(order("d2"));
  EXPECT_TRUE(is_there(state() / "deploy-d2/files"));
}

TEST_F(TrackerTest, one_that_is_for_the_session_alone_ends_with_it) {
  orders::Tracker given = order("d1");
  given.with_session = true;
  {
    Control control(state());
    control.ask(given);
    // A second session uses it, and does not take it along when it ends.
    Control other(state());
    other.ask(given);
    other.close();
    EXPECT_EQ(trackers_in(state() / "deploy-d1").size(), 1u);
  }
  while (!trackers_in(state() / "deploy-d1").empty()) std::this_thread::yield();
}

TEST_F(TrackerTest, without_an_address_it_is_refused) {
  ::unsetenv("SSH_CONNECTION");
  Control control(state());
  orders::Tracker given = order("d1");
  given.address = "";
  expect_error(ErrorKind::usage, "$SSH_CONNECTION is not set", [&] { control.ask(given); });
  given.address = "origin.example.com";
  expect_error(ErrorKind::usage, "is no address", [&] { control.ask(given); });
  given = order("../d1");
  expect_error(ErrorKind::usage, "cannot be a deploy's id", [&] { control.ask(given); });
}

TEST_F(TrackerTest, what_is_published_is_there_whole) {
  Control control(state());
  expect_error(ErrorKind::failed, "it has no tracker here", [&] {
    control.ask(orders::Publish{"d1", "v7.torrent"}, "bytes");
  });
  control.ask(order("d1"));
  control.ask(orders::Publish{"d1", "v7.torrent"}, "bytes");
  EXPECT_EQ(read_text(state() / "deploy-d1/files/v7.torrent"), "bytes");
  control.ask(orders::Publish{"d1", "v7.torrent"}, "others");
  EXPECT_EQ(read_text(state() / "deploy-d1/files/v7.torrent"), "others");
  for (const char* name : {"", "..", "a/b", "/etc/passwd", "x~"})
    expect_error(ErrorKind::usage, "cannot be a file's name", [&] {
      control.ask(orders::Publish{"d1", name}, "bytes");
    });
}

TEST_F(TrackerTest, the_executable_itself_is_published_as_gzip) {
  // A small one: this program with all it knows for debuggers takes a minute.
  const fs::path executable = temp_.path() / "murder";
  write_text(executable,
             "#!/bin/sh\nexec " + fs::read_symlink("/proc/self/exe").native() + " \"$@\"\n");
  fs::permissions(executable, fs::perms::owner_all);
  Control control(state(), executable);
  control.ask(order("d1"));
  control.ask(orders::Publish{"d1", "murder.gz"});
  const fs::path file = state() / "deploy-d1/files/murder.gz";
  EXPECT_EQ(read_text(file).substr(0, 2), "\x1f\x8b");
  EXPECT_EQ(in_child([&] {
              const std::string command =
                  "zcat " + file.native() + " | cmp - " + executable.native();
              require(::system(command.c_str()) == 0, "it is not the same");
            }),
            0);
}

TEST_F(TrackerTest, folders_of_trackers_that_have_ended_are_removed_by_the_next_deploy) {
  write_text(state() / "deploy-old/files/murder.gz", "x");
  write_text(state() / "deploy-new/files/murder.gz", "x");
  write_text(state() / "other/file", "x");
  const timespec long_ago[2] = {{1'700'000'000, 0}, {1'700'000'000, 0}};
  for (const char* name : {"deploy-old", "other"})
    ASSERT_EQ(::utimensat(AT_FDCWD, (state() / name).c_str(), long_ago, 0), 0);
  Control control(state());
  control.ask(order("d1"));
  EXPECT_EQ(names_in(state()), (std::vector<std::string>{"deploy-d1", "deploy-new", "other"}));
}

}  // namespace
}  // namespace murder::agent
