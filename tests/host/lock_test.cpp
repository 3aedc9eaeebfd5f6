#include <csignal>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <thread>

#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class Lock : public testing::Test {
 protected:
  std::string own_id() const { return std::to_string(::getpid()); }
  std::string text_of(const char* lock) const {
    return read_text(temp_.path() / "app/.murder" / lock);
  }

  TempFolder temp_;
  Destination destination_ = Destination::open(temp_.path() / "app", Destination::Mode::create);
};

/// A process that takes a lock and keeps it until it is killed.
class Holder {
 public:
  explicit Holder(const std::function<void(const std::function<void()>& locked)>& hold) {
    int ready[2];
    if (::pipe(ready) != 0) throw_system_error("cannot make", "a pipe", errno);
    child_ = ::fork();
    if (child_ == 0) {
      hold([&] {
        static_cast<void>(!::write(ready[1], "!", 1));
        for (;;) ::pause();
      });
      ::_exit(1);
    }
    ::close(ready[1]);
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() { kill(); }
  std::string id() const { return std::to_string(child_); }
  void kill() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    child_ = -1;
  }

 private:
  pid_t child_ = -1;
};

TEST_F(Lock, a_second_holder_is_refused_and_told_who_holds_it) {
  std::optional<DestinationLock> first(destination_);
  const auto lock_again = [&] { const DestinationLock second(destination_, Duration::zero()); };
  expect_error(ErrorKind::failed, "is in use by process " + own_id() + " (", lock_again);
  expect_error(ErrorKind::failed, "wait for it or end it", lock_again);
  first.reset();
  EXPECT_NO_THROW(lock_again());
}

TEST_F(Lock, short_changes_wait_for_each_other) {
  std::optional<DestinationLock> first(destination_);
  std::thread second([&] { EXPECT_NO_THROW(DestinationLock{destination_}); });
  // Whether the other came to wait or not: it gets the lock.
  first.reset();
  second.join();
}

TEST_F(Lock, the_text_of_a_dead_holder_is_replaced) {
  write_text(temp_.path() / "app/.murder/lock", std::string(1000, 'x'));
  const DestinationLock lock(destination_);
  EXPECT_EQ(text_of("lock").find("pid " + own_id() + "\nsince "), 0u);
}

TEST_F(Lock, a_holder_that_did_not_write_its_name_yet_is_named_as_another_process) {
  const DestinationLock lock(destination_);
  fs::resize_file(temp_.path() / "app/.murder/lock", 0);
  expect_error(ErrorKind::failed, "is in use by another process;",
               [&] { const DestinationLock second(destination_, Duration::zero()); });
}

TEST_F(Lock, a_killed_holder_frees_it) {
  Holder holder([&](const auto& locked) {
    const DestinationLock lock(destination_);
    locked();
  });
  expect_error(ErrorKind::failed, "process " + holder.id(),
               [&] { const DestinationLock second(destination_, Duration::zero()); });
  holder.kill();
  EXPECT_NO_THROW(DestinationLock{destination_});
}

TEST_F(Lock, one_tag_is_staged_by_one_process_and_another_tag_beside_it) {
  Holder holder([&](const auto& locked) {
    const TransferLock lock(destination_, "v7");
    locked();
  });
  const auto lock_again = [&] { const TransferLock second(destination_, "v7"); };
  expect_error(ErrorKind::failed,
               "v7 in " + (temp_.path() / "app").native() + " is in use by process " + holder.id(),
               lock_again);
  EXPECT_NO_THROW((TransferLock{destination_, "v8"}));
  EXPECT_NO_THROW(DestinationLock{destination_});
  EXPECT_EQ(TransferLock::holder(destination_, "v7").find("process " + holder.id() + " ("), 0u);
  EXPECT_EQ(TransferLock::holder(destination_, "v8"), "");
  EXPECT_EQ(TransferLock::holder(destination_, "v9"), "");
  holder.kill();
  EXPECT_EQ(TransferLock::holder(destination_, "v7"), "");
  EXPECT_NO_THROW(lock_again());
}

TEST_F(Lock, two_tags_staged_at_once_are_both_staged_and_journalled) {
  const auto stage_one = [&](const std::string& tag) {
    const TransferLock lock(destination_, tag);
    stage(destination_, tag, sample_pack(tag));
  };
  std::vector<std::string> tags;
  for (int i = 0; i < 8; ++i) tags.push_back("v" + std::to_string(i));
  {
    std::vector<std::jthread> threads;
    for (const std::string& tag : tags) threads.emplace_back([&] { stage_one(tag); });
  }
  std::vector<std::string> journalled;
  for (const JournalEntry& entry : read_journal(destination_)) journalled.push_back(entry.tag);
  std::sort(journalled.begin(), journalled.end());
  EXPECT_EQ(journalled, tags);
  for (const std::string& tag : tags) EXPECT_EQ(drifts(destination_, tag), no_drift);
}

TEST_F(Lock, a_transfers_lock_whose_file_was_taken_away_is_taken_anew) {
  std::optional<TransferLock> first(std::in_place, destination_, "v7");
  first->remove_file();
  EXPECT_FALSE(is_there(temp_.path() / "app/.murder/transfers/v7.lock"));
  const TransferLock second(destination_, "v7");
  EXPECT_NE(TransferLock::holder(destination_, "v7"), "");
  first.reset();
  EXPECT_NE(TransferLock::holder(destination_, "v7"), "");
}

TEST_F(Lock, what_can_be_no_tag_locks_nothing) {
  expect_error(ErrorKind::usage, "bad tag", [&] { TransferLock(destination_, "../lock"); });
  expect_error(ErrorKind::usage, "bad tag", [&] { TransferLock::holder(destination_, ""); });
}

TEST_F(Lock, a_destination_of_before_there_were_transfers_gets_their_folder) {
  fs::remove(temp_.path() / "app/.murder/transfers");
  EXPECT_EQ(TransferLock::holder(destination_, "v7"), "");
  EXPECT_NO_THROW((TransferLock{destination_, "v7"}));
}

TEST_F(Lock, a_deploy_that_comes_second_is_told_whose_turn_it_is) {
  std::optional<DeployLock> first(std::in_place, destination_, "20261122-ab12", "alice@laptop");
  const std::string holder = DeployLock::holder(destination_);
  EXPECT_EQ(holder.find("deploy 20261122-ab12 of alice@laptop, since 20"), 0u) << holder;
  try {
    const DeployLock second(destination_, "20261122-cd34", "bob@ci");
    FAIL();
  } catch (const LockHeld& held) {
    EXPECT_EQ(held.holder(), holder);
    EXPECT_NE(std::string_view(held.what()).find("is locked by " + holder), std::string_view::npos);
  }
  first.reset();
  EXPECT_EQ(DeployLock::holder(destination_), "");
  EXPECT_NO_THROW((DeployLock{destination_, "20261122-cd34", "bob@ci"}));
}

TEST_F(Lock, a_deploy_whose_session_dies_frees_it) {
  Holder holder([&](const auto& locked) {
    const DeployLock lock(destination_, "20261122-ab12", "alice@laptop");
    locked();
  });
  EXPECT_NE(DeployLock::holder(destination_), "");
  holder.kill();
  EXPECT_EQ(DeployLock::holder(destination_), "");
  EXPECT_NO_THROW((DeployLock{destination_, "20261122-cd34", "bob@ci"}));
}

TEST_F(Lock, how_long_a_deploy_has_held_it_and_whether_it_is_leaving_can_be_seen) {
  DeployLock lock(destination_, "d1", "alice@laptop", "web1");
  const fs::path file = temp_.path() / "app/.murder/deploy.lock";
  const timespec old[2] = {{::time(nullptr) - 40, 0}, {::time(nullptr) - 40, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), old, 0), 0);
  auto holder = DeployLock::look(destination_);
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->words, DeployLock::holder(destination_));
  EXPECT_EQ(holder->deploy, "d1");
  EXPECT_EQ(holder->host, "web1");
  EXPECT_EQ(holder->pid, ::getpid());
  EXPECT_LT(holder->held_s, 40);
  EXPECT_GE(holder->silent_s, 40);
  EXPECT_FALSE(holder->leaving);
  lock.touch();
  lock.set_leaving();
  holder = DeployLock::look(destination_);
  EXPECT_LT(holder->silent_s, 40);
  EXPECT_TRUE(holder->leaving);
}

TEST_F(Lock, a_deploys_name_is_one_line_of_the_locks_file) {
  const DeployLock lock(destination_, "d1\npid 1", "eve\ndeploy d2");
  EXPECT_EQ(DeployLock::holder(destination_).find("deploy d1\\x0apid 1 of eve\\x0adeploy d2"), 0u)
      << DeployLock::holder(destination_);
}

}  // namespace
}  // namespace murder
