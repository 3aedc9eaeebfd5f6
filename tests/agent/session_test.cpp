#include <fcntl.h>
#include <sys/stat.h>

#include "agent/support.hpp"

namespace murder::agent {
namespace {

using namespace test;

using SessionTest = AgentTest;

TEST_F(SessionTest, it_says_who_it_is_before_anything_else) {
  Control control(state());
  EXPECT_EQ(control.hello().protocol, orders::protocol);
  EXPECT_EQ(control.hello().version, MURDER_VERSION);
  EXPECT_NE(control.hello().machine, "");
  EXPECT_NE(control.hello().host_name, "");
  EXPECT_GT(control.hello().clock_ms, 1'700'000'000'000);
  EXPECT_GT(control.hello().descriptors, 0u);
}

TEST_F(SessionTest, it_ends_well_when_the_control_side_goes) {
  Control control(state());
  EXPECT_EQ(control.close(), 0);
}

TEST_F(SessionTest, it_ends_when_nobody_listens_though_orders_could_still_come) {
  Control control(state());
  ::shutdown(control.fd(), SHUT_RD);
  control.give(orders::ListReleases{dest()});
  EXPECT_EQ(control.wait(), 0);
}

TEST_F(SessionTest, orders_are_carried_out_in_their_order_and_each_is_answered) {
  Control control(state());
  std::vector<std::uint64_t> ids;
  ids.push_back(control.give(activation("v1")));
  ids.push_back(control.give(activation("v2")));
  ids.push_back(control.give(orders::ListReleases{dest()}));
  for (const std::uint64_t id : ids) EXPECT_EQ(orders::answered_id(control.next().json), id);
  EXPECT_EQ(live(), "v2");
}

TEST_F(SessionTest, an_order_that_cannot_be_carried_out_is_answered_and_the_next_one_is) {
  Control control(state());
  expect_error(ErrorKind::failed, "cannot open /no/such/folder: No such file",
               [&] { control.ask(orders::ListReleases{"/no/such/folder"}); });
  expect_error(ErrorKind::usage, "bad tag", [&] { control.ask(activation("../etc")); });
  expect_error(ErrorKind::usage, "the destination is empty", [&] { control.ask(orders::Look{}); });
  EXPECT_EQ(control.ask(orders::ListReleases{dest()}).releases.size(), 3u);
}

TEST_F(SessionTest, an_order_of_another_version_is_answered_by_its_id) {
  Control control(state());
  control.send(R"({"id":7,"order":"dance"})");
  const Frame frame = control.next();
  EXPECT_EQ(orders::answered_id(frame.json), 7u);
  expect_error(ErrorKind::failed, "different versions",
               [&] { orders::parse_answer<orders::Done>(frame.json); });
  control.send("no JSON at all");
  EXPECT_NE(control.next().json.find("\"error\""), std::string::npos);
  EXPECT_EQ(control.ask(orders::ListReleases{dest()}).releases.size(), 3u);
}

TEST_F(SessionTest, what_is_no_frame_ends_it_with_a_word) {
  Control control(state());
  control.send_bytes("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_NE(control.next().json.find("not a frame"), std::string::npos);
  EXPECT_EQ(control.wait(), 1);
}

TEST_F(SessionTest, what_is_for_a_transfer_is_refused_when_there_is_none) {
  Control control(state());
  control.send(R"({"order":"have"})");
  EXPECT_NE(control.next().json.find("no transfer runs here"), std::string::npos);
}

TEST_F(SessionTest, looking_tells_what_is_there_and_changes_nothing) {
  Control control(state());
  orders::Look order{dest(), "v2", ""};
  orders::View view = control.ask(order);
  EXPECT_TRUE(view.used);
  EXPECT_EQ(view.live, "");
  EXPECT_FALSE(view.fetching);
  EXPECT_GT(view.free_bytes, 0u);
  control.ask(activation("v1"));
  control.ask(activation("v2"));
  view = control.ask(order);
  EXPECT_EQ(view.live, "v2");
  EXPECT_EQ(view.previous, "v1");
  {
    const TransferLock lock(destination_, "v2");
    EXPECT_TRUE(control.ask(order).fetching);
  }
  order.dest = (temp_.path() / "new/app").native();
  view = control.ask(order);
  EXPECT_FALSE(view.used);
  EXPECT_GT(view.free_bytes, 0u);
  EXPECT_FALSE(is_there(temp_.path() / "new"));
}

TEST_F(SessionTest, the_lock_is_held_until_it_is_given_back_or_the_session_ends) {
  Control alice(state());
  Control bob(state());
  const orders::Lock as_alice{dest(), "20261122-ab12", "web1", "alice@laptop"};
  const orders::Lock as_bob{dest(), "20261122-cd34", "web1", "bob@ci"};
  EXPECT_TRUE(alice.ask(as_alice).ok);
  EXPECT_TRUE(alice.ask(as_alice).ok) << "held by this very session";
  const orders::Locked refused = bob.ask(as_bob);
  EXPECT_FALSE(refused.ok);
  EXPECT_EQ(refused.held_by.find("deploy 20261122-ab12 of alice@laptop, since 20"), 0u);
  EXPECT_FALSE(refused.leaving);
  EXPECT_EQ(refused.held_by.find(bob.ask(orders::Look{dest(), "", ""}).locked_by + " ("), 0u);
  EXPECT_EQ(alice.ask(orders::Look{dest(), "", ""}).locked_by, "");
  expect_error(ErrorKind::failed, "is locked by deploy 20261122-ab12 of alice@laptop",
               [&] { bob.ask(activation("v1")); });
  EXPECT_EQ(live(), "");
  alice.ask(orders::Unlock{dest()});
  EXPECT_TRUE(bob.ask(as_bob).ok);
  EXPECT_FALSE(alice.ask(as_alice).ok);
  bob.close();
  EXPECT_TRUE(alice.ask(as_alice).ok);
}

TEST_F(SessionTest, whoever_is_kept_out_is_told_whether_the_holder_is_still_heard_of) {
  Control alice(state());
  Control bob(state());
  alice.ask(activation("v1"));
  const orders::Lock as_bob{dest(), "d2", "web1", "bob@ci"};
  EXPECT_EQ(alice.ask(orders::Lock{dest(), "d1", "web1", "alice@laptop", 3600}).live, "v1");
  EXPECT_FALSE(bob.ask(as_bob).leaving);
  const timespec old[2] = {{::time(nullptr) - 40, 0}, {::time(nullptr) - 40, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path(".murder/deploy.lock").c_str(), old, 0), 0);
  orders::Locked locked = bob.ask(as_bob);
  EXPECT_TRUE(locked.leaving);
  EXPECT_NE(locked.held_by.find(", last heard of 4"), std::string::npos) << locked.held_by;
  alice.send(R"({"order":"alive"})");
  alice.ask(orders::Look{dest(), "", ""});
  EXPECT_FALSE(bob.ask(as_bob).leaving);
}

TEST_F(SessionTest, a_lease_that_runs_out_frees_the_lock) {
  Control control(state());
  EXPECT_TRUE(control.ask(orders::Lock{dest(), "d1", "web1", "alice@laptop", 1}).ok);
  EXPECT_EQ(control.wait(), 0);
  EXPECT_EQ(DeployLock::holder(destination_), "");
}

TEST_F(SessionTest, signs_of_life_are_not_answered) {
  Control control(state());
  EXPECT_TRUE(control.ask(orders::Lock{dest(), "d1", "web1", "alice@laptop", 3600}).ok);
  for (int i = 0; i < 10; ++i) control.send(R"({"order":"alive"})");
  EXPECT_EQ(control.ask(orders::ListReleases{dest()}).releases.size(), 3u);
  EXPECT_TRUE(control.said().empty());
}

TEST_F(SessionTest, verifying_tells_what_differs) {
  Control control(state());
  EXPECT_EQ(control.ask(orders::Verify{dest(), "v1"}).drift_count, 0u);
  write_text(path("releases/v1/new"), "x");
  const orders::Verified verified = control.ask(orders::Verify{dest(), "v1"});
  ASSERT_EQ(verified.drifts.size(), 1u);
  EXPECT_EQ(verified.drifts[0].kind, "added");
  EXPECT_EQ(verified.drifts[0].path, "new");
  expect_error(ErrorKind::failed, "no release is live there", [&] {
    control.ask(orders::Verify{dest(), ""});
  });
}

TEST_F(SessionTest, pruning_keeps_what_was_asked_for) {
  Control control(state());
  control.ask(activation("v3"));
  const orders::Pruned pruned = control.ask(orders::Prune{dest(), 2});
  EXPECT_EQ(pruned.removed, std::vector<std::string>{"v1"});
  const orders::Releases left = control.ask(orders::ListReleases{dest()});
  ASSERT_EQ(left.releases.size(), 2u);
  EXPECT_EQ(left.releases[0].tag, "v3");
  EXPECT_TRUE(left.releases[0].live);
}

TEST_F(SessionTest, a_host_is_examined_without_being_changed) {
  Control control(state());
  orders::Examined examined = control.ask(orders::Examine{dest()});
  EXPECT_EQ(examined.dest_problem, "");
  EXPECT_NE(examined.filesystem, "");
  EXPECT_NE(examined.kernel, "");
  EXPECT_GT(examined.processors, 0u);
  EXPECT_GT(examined.memory_bytes, 0u);
  EXPECT_GT(examined.free_bytes, 0u);
  EXPECT_EQ(examined.binary_path, fs::read_symlink("/proc/self/exe"));
  examined = control.ask(orders::Examine{(temp_.path() / "new/app").native()});
  EXPECT_EQ(examined.dest_problem, "");
  EXPECT_FALSE(is_there(temp_.path() / "new"));
  write_text(temp_.path() / "file", "x");
  examined = control.ask(orders::Examine{(temp_.path() / "file").native()});
  EXPECT_NE(examined.dest_problem.find("is no folder"), std::string::npos);
}

TEST_F(SessionTest, ports_opened_by_one_are_found_open_by_another) {
  Control listener(state());
  Control prober(state());
  const orders::Listening listening = listener.ask(orders::Listen{"127.0.0.1", ""});
  ASSERT_FALSE(listening.endpoints.empty());
  orders::Probe order{.endpoints = listening.endpoints, .timeout_ms = 30'000};
  order.endpoints.emplace_back("nonsense");
  orders::Probed probed = prober.ask(order);
  ASSERT_EQ(probed.results.size(), order.endpoints.size());
  EXPECT_TRUE(probed.results[0].ok) << probed.results[0].reason;
  EXPECT_EQ(probed.results.back().reason, "not ADDRESS:PORT");
  // Another may take the port at once, so that it is not said that nobody answers now.
  EXPECT_EQ(listener.close(), 0);
}

}  // namespace
}  // namespace murder::agent
