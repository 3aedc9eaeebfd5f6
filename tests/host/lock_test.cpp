#include <csignal>
#include <optional>

#include "host/support.hpp"

namespace murder {
namespace {

using namespace test;

class Lock : public testing::Test {
 protected:
  TempFolder temp_;
  Destination destination_ = Destination::open(temp_.path() / "app", Destination::Mode::create);
};

TEST_F(Lock, a_second_holder_is_refused_and_told_who_holds_it) {
  std::optional<DestinationLock> first(destination_);
  expect_error(ErrorKind::failed, "is in use by process " + std::to_string(::getpid()) + " (",
               [&] { const DestinationLock second(destination_); });
  expect_error(ErrorKind::failed, "wait for it or end it",
               [&] { const DestinationLock second(destination_); });
  first.reset();
  EXPECT_NO_THROW(DestinationLock{destination_});
}

TEST_F(Lock, the_text_of_a_dead_holder_is_replaced) {
  write_text(temp_.path() / "app/.murder/lock", std::string(1000, 'x'));
  const DestinationLock lock(destination_);
  EXPECT_EQ(read_text(temp_.path() / "app/.murder/lock")
                .find("pid " + std::to_string(::getpid()) + "\nsince "),
            0u);
}

TEST_F(Lock, a_holder_that_did_not_write_its_name_yet_is_named_as_another_process) {
  const DestinationLock lock(destination_);
  fs::resize_file(temp_.path() / "app/.murder/lock", 0);
  expect_error(ErrorKind::failed, "is in use by another process;",
               [&] { const DestinationLock second(destination_); });
}

TEST_F(Lock, a_killed_holder_frees_it) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    const DestinationLock lock(destination_);
    static_cast<void>(!::write(ready[1], "!", 1));
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  expect_error(ErrorKind::failed, "process " + std::to_string(holder),
               [&] { const DestinationLock second(destination_); });
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  EXPECT_NO_THROW(DestinationLock{destination_});
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace murder
