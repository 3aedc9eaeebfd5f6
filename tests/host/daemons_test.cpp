// One file a daemon: who holds it, who may not, and that nobody else is ever ended.
#include "host/daemons.hpp"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace murder {
namespace {

namespace fs = std::filesystem;

Daemon seeder(const std::string& tag) {
  Daemon daemon;
  daemon.role = "seed";
  daemon.name = tag;
  daemon.distinct = "3fa2c1d0";
  daemon.options = "--up ''";
  return daemon;
}

class DaemonsTest : public testing::Test {
 protected:
  DaemonsTest() {
    std::string name = (fs::temp_directory_path() / "murder-daemons-XXXXXX").native();
    folder_ = fs::path(::mkdtemp(name.data())) / "run";
  }
  ~DaemonsTest() override { fs::remove_all(folder_.parent_path()); }

  /// A child that holds such a file until it is ended. With `stubborn`, SIGTERM does not do it.
  pid_t start(const Daemon& daemon, bool stubborn = false) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      if (stubborn) ::signal(SIGTERM, SIG_IGN);
      const DaemonFile file(folder_, daemon);
      static_cast<void>(::write(ends[1], "x", 1) == 1);
      while (true) ::pause();
    }
    char ready = 0;
    EXPECT_EQ(::read(ends[0], &ready, 1), 1);
    ::close(ends[0]);
    ::close(ends[1]);
    return child;
  }
  static int status_of(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }
  fs::path file_of_seeder() const { return folder_ / "seed-v1-3fa2c1d0.daemon"; }

  fs::path folder_;
};

TEST_F(DaemonsTest, none_where_nothing_ever_ran) {
  EXPECT_TRUE(running_daemons(folder_).empty());
  EXPECT_EQ(end_daemons(folder_, {seeder("v1")}, {})[0].how, Ending::How::gone);
}

TEST_F(DaemonsTest, a_holder_is_found_and_takes_its_file_away) {
  {
    const DaemonFile file(folder_, seeder("v1"));
    const auto running = running_daemons(folder_);
    ASSERT_EQ(running.size(), 1u);
    EXPECT_EQ(running[0].name, "v1");
    EXPECT_EQ(running[0].process.pid, ::getpid());
    EXPECT_EQ(standing_of(running[0].process), ProcessStanding::runs);
    struct stat st {};
    ASSERT_EQ(::stat(folder_.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0700u);
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(DaemonsTest, a_second_of_its_name_is_told_who_runs) {
  const DaemonFile file(folder_, seeder("v1"));
  try {
    const DaemonFile second(folder_, seeder("v1"));
    FAIL() << "both run";
  } catch (const DaemonRuns& runs) {
    EXPECT_EQ(runs.daemon().process.pid, ::getpid());
    EXPECT_EQ(runs.daemon().options, "--up ''");
  }
  const DaemonFile another(folder_, seeder("v2"));
  EXPECT_EQ(running_daemons(folder_).size(), 2u);
}

TEST_F(DaemonsTest, who_waits_for_one_to_serve_is_told_when_it_does_or_has_ended) {
  const pid_t child = start(seeder("v1"));
  const Daemon waited_for = running_daemons(folder_)[0];
  EXPECT_FALSE(waited_for.serves);
  std::thread end([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    ::kill(child, SIGKILL);
  });
  EXPECT_FALSE(wait_until_it_serves(folder_, waited_for));
  end.join();
  status_of(child);

  DaemonFile file(folder_, seeder("v1"));
  std::thread serve([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    file.set_serving();
  });
  EXPECT_TRUE(wait_until_it_serves(folder_, file.daemon()));
  serve.join();
}

TEST_F(DaemonsTest, names_of_other_makes_stay_in_the_folder) {
  const DaemonFile file(folder_, seeder("../../etc/x y"));
  EXPECT_TRUE(fs::exists(folder_ / "seed-.._.._etc_x_y-3fa2c1d0.daemon"));
  EXPECT_EQ(running_daemons(folder_)[0].name, "../../etc/x y");
}

TEST_F(DaemonsTest, what_is_ended_has_ended_on_return) {
  const pid_t child = start(seeder("v1"));
  const auto endings = end_daemons(folder_, running_daemons(folder_), std::chrono::seconds(60));
  ASSERT_EQ(endings.size(), 1u);
  EXPECT_EQ(endings[0].how, Ending::How::ended) << endings[0].reason;
  EXPECT_TRUE(fs::is_empty(folder_));
  EXPECT_EQ(WTERMSIG(status_of(child)), SIGTERM);
}

TEST_F(DaemonsTest, one_that_ignores_sigterm_is_killed) {
  const pid_t child = start(seeder("v1"), true);
  const auto endings =
      end_daemons(folder_, running_daemons(folder_), std::chrono::milliseconds(50));
  EXPECT_EQ(endings[0].how, Ending::How::killed) << endings[0].reason;
  EXPECT_EQ(WTERMSIG(status_of(child)), SIGKILL);
}

TEST_F(DaemonsTest, after_a_crash_the_file_names_nobody) {
  const pid_t child = start(seeder("v1"));
  const auto running = running_daemons(folder_);
  ::kill(child, SIGKILL);
  status_of(child);
  EXPECT_TRUE(fs::exists(file_of_seeder()));
  EXPECT_EQ(end_daemons(folder_, running, {})[0].how, Ending::How::gone);
  EXPECT_FALSE(fs::exists(file_of_seeder()));
  const DaemonFile next(folder_, seeder("v1"));
  // Who was meant is gone, and another has begun meanwhile.
  EXPECT_EQ(end_daemons(folder_, running, {})[0].how, Ending::How::gone);
}

TEST_F(DaemonsTest, nobody_is_ended_for_what_a_file_says_alone) {
  const DaemonFile file(folder_, seeder("v1"));
  const pid_t bystander = ::fork();
  if (bystander == 0)
    while (true) ::pause();
  Daemon forged = file.daemon();
  std::ifstream in(file_of_seeder());
  std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::string own = "\"pid\": " + std::to_string(::getpid());
  ASSERT_NE(text.find(own), std::string::npos);
  text.replace(text.find(own), own.size(), "\"pid\": " + std::to_string(bystander));
  const std::string started = "\"started\": ";
  text.insert(text.find(started) + started.size(), "9");
  std::ofstream(file_of_seeder()) << text;
  forged = running_daemons(folder_)[0];
  EXPECT_EQ(forged.process.pid, bystander);
  const auto endings = end_daemons(folder_, {forged}, std::chrono::seconds(1));
  EXPECT_EQ(endings[0].how, Ending::How::failed);
  EXPECT_EQ(::kill(bystander, SIGKILL), 0);
  EXPECT_EQ(WTERMSIG(status_of(bystander)), SIGKILL);  // and by nothing before
}

TEST_F(DaemonsTest, the_folder_of_another_user_is_refused) {
  make_daemon_folder(folder_);
  ::chmod(folder_.c_str(), 0777);
  EXPECT_THROW(make_daemon_folder(folder_), Error);
}

TEST(DaemonFolder, is_the_users_own_and_outlives_a_login) {
  std::map<std::string, std::string> variables{{"HOME", "/home/ann"},
                                               {"XDG_RUNTIME_DIR", "/run/user/1000"}};
  const auto variable = [&](const std::string& name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
  const fs::path folder = daemon_folder(variable);
  if (::geteuid() == 0)
    EXPECT_EQ(folder, "/run/murder");
  else
    EXPECT_TRUE(folder.native().starts_with("/home/ann/.cache/murder/run/")) << folder;
  variables["MURDER_RUN_DIR"] = "/srv/run";
  EXPECT_EQ(daemon_folder(variable), "/srv/run");
}

}  // namespace
}  // namespace murder
