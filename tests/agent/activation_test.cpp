#include <boost/asio/io_context.hpp>

#include "agent/support.hpp"
#include "net/http.hpp"

namespace murder::agent {
namespace {

using namespace test;

class ActivationTest : public AgentTest {
 protected:
  ActivationTest() : control_(state()) {}
  /// Writes down where it runs and what it is told.
  static std::string recorder(const std::string& file) {
    return "{ pwd; env | grep -E '^MURDER_(DEPLOY|DEST|HOST|PREVIOUS|RELEASE|TAG)=' | sort; "
           "readlink ../../current; } > ../../" +
           file;
  }
  orders::View look() { return control_.ask(orders::Look{dest(), "", ""}); }

  Control control_;
};

TEST_F(ActivationTest, hooks_run_in_the_release_before_and_after_the_switch) {
  control_.ask(activation("v1"));
  orders::Activate order = activation("v2");
  order.before.command = recorder("before");
  order.after.command = recorder("after");
  const orders::Activated answer = control_.ask(order);
  EXPECT_EQ(answer.problem, "");
  EXPECT_TRUE(answer.switched);
  EXPECT_EQ(answer.previous, "v1");
  EXPECT_TRUE(answer.before.ran && answer.after.ran);
  const std::string folder = fs::canonical(path("releases/v2")).native();
  const std::string variables = "MURDER_DEPLOY=d1\nMURDER_DEST=" + dest() +
                                "\nMURDER_HOST=web1\nMURDER_PREVIOUS=v1\nMURDER_RELEASE=" + dest() +
                                "/releases/v2\nMURDER_TAG=v2\n";
  EXPECT_EQ(read_text(path("before")), folder + "\n" + variables + "releases/v1\n");
  EXPECT_EQ(read_text(path("after")), folder + "\n" + variables + "releases/v2\n");
}

TEST_F(ActivationTest, when_the_first_hook_fails_nothing_is_switched) {
  control_.ask(activation("v1"));
  orders::Activate order = activation("v2");
  order.before.command = "echo no room for v2; exit 3";
  order.after.command = recorder("after");
  const orders::Activated answer = control_.ask(order);
  EXPECT_EQ(answer.problem, "pre-activate failed: exit status 3");
  EXPECT_EQ(answer.before.output, "no room for v2\n");
  EXPECT_EQ(answer.before.status, 3);
  EXPECT_FALSE(answer.switched);
  EXPECT_FALSE(answer.after.ran);
  EXPECT_EQ(live(), "v1");
  EXPECT_FALSE(is_there(path("after")));
  EXPECT_FALSE(look().unfinished);
}

TEST_F(ActivationTest, a_hook_that_hangs_is_ended_and_named) {
  orders::Activate order = activation("v1");
  order.before = {"echo waiting; sleep 1000", 1};
  const orders::Activated answer = control_.ask(order);
  EXPECT_EQ(answer.problem, "pre-activate failed: not done within 1 s");
  EXPECT_TRUE(answer.before.timed_out);
  EXPECT_EQ(answer.before.output, "waiting\n");
  EXPECT_EQ(live(), "");
}

TEST_F(ActivationTest, a_hook_that_prints_without_end_is_told_of_in_part) {
  orders::Activate order = activation("v1");
  order.after.command = "head -c 64000000 /dev/zero | tr '\\0' x; echo; echo end";
  const orders::Activated answer = control_.ask(order);
  EXPECT_EQ(answer.problem, "");
  EXPECT_EQ(answer.after.output_bytes, 64'000'005u);
  EXPECT_LT(answer.after.output.size(), 100'000u);
  EXPECT_TRUE(answer.after.output.ends_with("x\nend\n"));
}

TEST_F(ActivationTest, a_hook_that_starts_a_daemon_is_not_waited_for) {
  orders::Activate order = activation("v1");
  order.after.command = "sleep 1000 & echo $! > ../../daemon; echo started";
  const orders::Activated answer = control_.ask(order);
  EXPECT_EQ(answer.problem, "");
  EXPECT_EQ(answer.after.output, "started\n");
  const pid_t daemon = std::stoi(read_text(path("daemon")));
  EXPECT_EQ(::kill(daemon, SIGKILL), 0);
}

TEST_F(ActivationTest, when_the_second_hook_fails_it_is_told_and_run_again_by_the_same_order) {
  control_.ask(activation("v1"));
  orders::Activate order = activation("v2");
  order.before.command = "echo before >> ../../ran";
  order.after.command = "echo after >> ../../ran; test -e ../../fixed";
  orders::Activated answer = control_.ask(order);
  EXPECT_EQ(answer.problem, "post-activate failed: exit status 1");
  EXPECT_TRUE(answer.switched);
  EXPECT_EQ(live(), "v2");
  EXPECT_TRUE(look().unfinished);
  write_text(path("fixed"), "");
  answer = control_.ask(order);
  EXPECT_EQ(answer.problem, "");
  EXPECT_FALSE(answer.switched);
  EXPECT_FALSE(answer.before.ran);
  EXPECT_TRUE(answer.after.ran);
  EXPECT_FALSE(look().unfinished);
  answer = control_.ask(order);
  EXPECT_FALSE(answer.after.ran) << "all is done";
  EXPECT_EQ(read_text(path("ran")), "before\nafter\nafter\n");
}

TEST_F(ActivationTest, an_order_that_is_given_again_is_answered_with_what_it_came_to) {
  orders::Activate order = activation("v1");
  order.before.command = "echo before >> ../../ran";
  order.after.command = "echo after >> ../../ran; exit 4";
  control_.ask(order);
  order.again = true;
  const orders::Activated answer = control_.ask(order);
  EXPECT_EQ(answer.problem, "post-activate failed: exit status 4");
  EXPECT_TRUE(answer.switched);
  EXPECT_EQ(answer.previous, "");
  EXPECT_EQ(answer.after.status, 4);
  EXPECT_EQ(read_text(path("ran")), "before\nafter\n") << "not a second time";

  // Of another deploy, or another release, nothing is known.
  order = activation("v2");
  order.again = true;
  EXPECT_TRUE(control_.ask(order).switched);
  EXPECT_EQ(live(), "v2");
  order = activation("v3");
  order.again = true;
  order.deploy = "d2";
  EXPECT_TRUE(control_.ask(order).switched);
}

TEST_F(ActivationTest, a_rollback_that_is_given_again_goes_back_once) {
  for (const char* tag : {"v1", "v2", "v3"}) control_.ask(activation(tag));
  orders::Rollback order{.dest = dest(), .tag = "", .host = "web1", .deploy = "d1", .after = {}};
  order.after.command = "echo after >> ../../ran";
  EXPECT_EQ(control_.ask(order).tag, "v2");
  order.again = true;
  const orders::Activated answer = control_.ask(order);
  EXPECT_EQ(answer.tag, "v2");
  EXPECT_EQ(answer.previous, "v3");
  EXPECT_TRUE(answer.switched);
  EXPECT_EQ(live(), "v2");
  EXPECT_EQ(read_text(path("ran")), "after\n");

  // As when the host died after the switch: it goes where it was going, and no further.
  write_text(path(".murder/outcome"),
             "begun rollback d1\n" + orders::encode_answer(1, orders::Activated{.tag = "v2",
                                                                                .previous = "v3",
                                                                                .switched = false,
                                                                                .before = {},
                                                                                .after = {},
                                                                                .problem = {}}));
  EXPECT_EQ(control_.ask(order).tag, "v2");
  EXPECT_EQ(live(), "v2");
}

TEST_F(ActivationTest, shared_paths_are_linked_before_the_first_hook) {
  orders::Activate order = activation("v1");
  order.link_shared = {"log", "config/local/"};
  order.before.command = "echo up > log/app.log && test -d config/local";
  const orders::Activated answer = control_.ask(order);
  EXPECT_EQ(answer.problem, "");
  EXPECT_EQ(read_text(path("shared/log/app.log")), "up\n");
  EXPECT_EQ(control_.ask(orders::Verify{dest(), ""}).drift_count, 0u);
  order = activation("v2");
  order.link_shared = {"etc/config"};
  expect_error(ErrorKind::failed, "the release ships a file there", [&] { control_.ask(order); });
  EXPECT_EQ(live(), "v1");
}

TEST_F(ActivationTest, what_is_not_staged_is_refused_before_any_hook) {
  orders::Activate order = activation("v9");
  order.before.command = recorder("before");
  expect_error(ErrorKind::failed, "cannot activate v9: no such release",
               [&] { control_.ask(order); });
  EXPECT_FALSE(is_there(path("before")));
}

TEST_F(ActivationTest, a_release_without_its_shell_is_told) {
  orders::Activate order = activation("v1");
  order.before.command = "no-such-program --at-all";
  const orders::Activated answer = control_.ask(order);
  EXPECT_EQ(answer.problem, "pre-activate failed: exit status 127");
  EXPECT_NE(answer.before.output.find("no-such-program"), std::string::npos);
}

TEST_F(ActivationTest, a_session_that_ends_before_the_switch_ends_the_hook_and_switches_nothing) {
  control_.ask(activation("v1"));
  orders::Activate order = activation("v2");
  order.before.command = "echo > ../../began; sleep 1000";
  control_.give(order);
  while (!is_there(path("began"))) std::this_thread::yield();
  EXPECT_EQ(control_.close(), 0);
  EXPECT_EQ(live(), "v1");
  EXPECT_EQ(DeployLock::holder(destination_), "");
}

TEST_F(ActivationTest, a_session_that_ends_after_the_switch_lets_the_hook_finish) {
  orders::Activate order = activation("v1");
  // Until the session has ended for sure: its own end cannot be seen from the hook, so that the
  // test tells it.
  order.after.command =
      "echo > ../../began; while ! test -e ../../go; do :; done; echo > ../../ended";
  control_.give(order);
  while (!is_there(path("began"))) std::this_thread::yield();
  control_.end_of_orders();
  write_text(path("go"), "");
  EXPECT_EQ(control_.wait(), 0);
  EXPECT_TRUE(is_there(path("ended")));
  EXPECT_EQ(live(), "v1");
  EXPECT_EQ(unlink(path("go").c_str()), 0);
}

TEST_F(ActivationTest, rolling_back_runs_the_hook_for_what_is_live_then) {
  control_.ask(activation("v1"));
  control_.ask(activation("v2"));
  orders::Rollback order{.dest = dest(), .tag = "", .host = "web1", .deploy = "d1", .after = {}};
  order.after.command = "echo \"$MURDER_TAG $MURDER_PREVIOUS\"; pwd";
  const orders::Activated answer = control_.ask(order);
  EXPECT_EQ(answer.tag, "v1");
  EXPECT_EQ(answer.previous, "v2");
  EXPECT_TRUE(answer.switched);
  EXPECT_EQ(answer.after.output, "v1 v2\n" + fs::canonical(path("releases/v1")).native() + "\n");
  EXPECT_EQ(live(), "v1");
  expect_error(ErrorKind::failed, "no release that was live before v1 is left",
               [&] { control_.ask(order); });
  order.tag = "v3";
  EXPECT_EQ(control_.ask(order).tag, "v3");
  EXPECT_FALSE(control_.ask(order).switched);
}

TEST_F(ActivationTest, a_check_is_run_in_the_live_release_until_it_is_well) {
  control_.ask(activation("v1"));
  control_.ask(activation("v2"));
  orders::Check order = check("echo tried >> ../../tries; test $(wc -l < ../../tries) -ge 3");
  order.tries = 5;
  order.interval_ms = 1;
  const orders::Checked checked = control_.ask(order);
  EXPECT_TRUE(checked.well);
  EXPECT_EQ(checked.tries, 3u);
  EXPECT_EQ(checked.reason, "");
}

TEST_F(ActivationTest, a_check_that_is_never_well_tells_why) {
  control_.ask(activation("v1"));
  orders::Check order = check("echo sick; exit 4");
  order.tries = 2;
  order.interval_ms = 1;
  orders::Checked checked = control_.ask(order);
  EXPECT_FALSE(checked.well);
  EXPECT_EQ(checked.tries, 2u);
  EXPECT_EQ(checked.reason, "exit status 4");
  EXPECT_EQ(checked.output, "sick\n");
  order.command = "sleep 1000";
  order.timeout_s = 1;
  order.tries = 1;
  checked = control_.ask(order);
  EXPECT_EQ(checked.reason, "not done within 1 s");
}

TEST_F(ActivationTest, a_check_by_url_goes_by_the_status) {
  control_.ask(activation("v1"));
  boost::asio::io_context io;
  unsigned status = 503;
  net::HttpServer server(io, {*IpAddress::parse("127.0.0.1"), 0},
                         [&](const net::HttpRequest& request) {
                           return net::HttpResponse{std::exchange(status, 204u), "text/plain",
                                                    "it is " + request.target};
                         });
  std::thread serving([&] { io.run(); });
  orders::Check order = check("");
  order.url =
      "http://localhost:" + std::to_string(server.local_endpoint().port) + "/healthz?full=1";
  order.tries = 1;
  orders::Checked checked = control_.ask(order);
  EXPECT_FALSE(checked.well);
  EXPECT_EQ(checked.reason, "HTTP status 503");
  EXPECT_EQ(checked.output, "it is /healthz?full=1");
  EXPECT_TRUE(control_.ask(order).well);
  io.stop();
  serving.join();
  server.stop();
  checked = control_.ask(order);
  EXPECT_FALSE(checked.well);
  EXPECT_NE(checked.reason.find("127.0.0.1:"), std::string::npos) << checked.reason;
}

TEST_F(ActivationTest, a_check_that_makes_no_sense_is_refused) {
  expect_error(ErrorKind::failed, "no release is live there", [&] { control_.ask(check("true")); });
  expect_error(ErrorKind::usage, "a command or a URL", [&] { control_.ask(check("")); });
  orders::Check order = check("");
  order.url = "https://localhost/";
  expect_error(ErrorKind::usage, "cannot use the check's URL 'https://localhost/'",
               [&] { control_.ask(order); });
}

TEST_F(ActivationTest, a_session_that_ends_during_a_check_does_not_wait_for_it) {
  control_.ask(activation("v1"));
  orders::Check order = check("echo > ../../began; sleep 1000");
  control_.give(order);
  while (!is_there(path("began"))) std::this_thread::yield();
  EXPECT_EQ(control_.close(), 0);
}

}  // namespace
}  // namespace murder::agent
