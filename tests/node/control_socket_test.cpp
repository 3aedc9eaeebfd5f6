// The socket itself: where it lies, who may connect, what one controller may cost.
#include "node/control_socket.hpp"

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"

namespace murder::node {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct Echo : ControlSocket::Handler {
  bool full = false;
  std::vector<std::string> orders;
  std::vector<std::string> greeting() override { return {"hello"}; }
  void on_order(orders::Frame order, ControlSocket::Answer answer) override {
    orders.push_back(order.json);
    answer(order.json, order.attachment);
  }
  bool is_full() const override { return full; }
};

class ControlSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "murder-control-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  Destination destination(const fs::path& below = "app") const {
    return Destination::open(folder_ / below, Destination::Mode::create);
  }
  fs::path path(const std::string& tag) const {
    return folder_ / "app/.murder/transfers" / control_socket_name(tag);
  }
  /// What has come from the other end, which runs on `io`: so many frames, or all until it closes.
  std::vector<orders::Frame> read(const UniqueFd& socket, std::size_t count) {
    std::vector<orders::Frame> frames;
    orders::FrameReader reader;
    std::vector<std::uint8_t> bytes(65536);
    while (frames.size() < count) {
      io_.restart();
      io_.poll();
      pollfd ready{socket.get(), POLLIN, 0};
      if (::poll(&ready, 1, 0) == 0) continue;
      const ssize_t n = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
      if (n <= 0) break;
      reader.add(std::span(bytes).first(static_cast<std::size_t>(n)));
      while (auto frame = reader.next()) frames.push_back(std::move(*frame));
    }
    return frames;
  }
  static void send(const UniqueFd& socket, const std::string& bytes) {
    EXPECT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  fs::path folder_;
  boost::asio::io_context io_;
  Echo echo_;
};

TEST_F(ControlSocketTest, is_found_however_long_the_path_and_the_tag) {
  const fs::path deep = fs::path(std::string(100, 'a')) / std::string(100, 'b');
  const std::string tag(128, 't');
  const Destination dest = destination(deep);
  EXPECT_FALSE(connect_control_socket(dest, tag)) << "nobody listens";
  const ControlSocket socket(io_, dest, tag, echo_);
  const UniqueFd controller = connect_control_socket(dest, tag);
  ASSERT_TRUE(controller);
  EXPECT_EQ(read(controller, 1).at(0).json, "hello");
  EXPECT_NE(control_socket_name(tag), control_socket_name(tag.substr(1)));
  EXPECT_EQ(control_socket_name("v7"), "v7.sock");
}

TEST_F(ControlSocketTest, is_for_its_user_alone) {
  const Destination dest = destination();
  const ControlSocket socket(io_, dest, "v7", echo_);
  struct stat st {};
  ASSERT_EQ(::stat(path("v7").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
  ASSERT_EQ(::stat(path("v7").parent_path().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0700u);
}

TEST_F(ControlSocketTest, another_user_is_let_go_even_where_the_file_would_let_him_in) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  const Destination dest = destination();
  const ControlSocket socket(io_, dest, "v7", echo_);
  for (fs::path p = path("v7"); p != folder_.parent_path(); p = p.parent_path())
    fs::permissions(p, fs::perms::all);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path("v7").string().copy(address.sun_path, sizeof address.sun_path - 1);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) ::_exit(2);
    char byte = 0;
    ::_exit(::read(fd, &byte, 1) == 1 ? 3 : 0);
  }
  int status = -1;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    io_.restart();
    io_.poll();
  }
  EXPECT_EQ(WEXITSTATUS(status), 0) << "it was told something";
}

TEST_F(ControlSocketTest, what_a_dead_process_left_is_replaced_and_a_living_ones_is_not) {
  const Destination dest = destination();
  fs::create_directories(path("v7").parent_path());
  {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path("v7").string().copy(address.sun_path, sizeof address.sun_path - 1);
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(fs::exists(path("v7")));
  EXPECT_FALSE(connect_control_socket(dest, "v7"));
  {
    const ControlSocket socket(io_, dest, "v7", echo_);
    EXPECT_TRUE(connect_control_socket(dest, "v7"));
    try {
      const ControlSocket second(io_, dest, "v7", echo_);
      FAIL() << "two listen";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::failed);
      EXPECT_NE(std::string(error.what()).find("in use"), std::string::npos) << error.what();
    }
    EXPECT_TRUE(connect_control_socket(dest, "v7")) << "the first goes on";
    const ControlSocket other(io_, dest, "v8", echo_);
  }
  EXPECT_FALSE(fs::exists(path("v7"))) << "it is gone with whoever listened";
}

TEST_F(ControlSocketTest, says_what_is_missing_where_there_is_no_proc) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs chroot";
  destination();
  const pid_t child = ::fork();
  if (child == 0) {
    if (::chroot(folder_.c_str()) != 0 || ::chdir("/") != 0) ::_exit(1);
    try {
      const ControlSocket socket(io_, Destination::open("/app", Destination::Mode::existing), "v7",
                                 echo_);
    } catch (const Error& error) {
      ::_exit(std::string_view(error.what()).find("/proc is not mounted") != std::string_view::npos
                  ? 0
                  : 2);
    }
    ::_exit(3);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(ControlSocketTest, orders_wait_while_nothing_more_can_be_taken) {
  const Destination dest = destination();
  ControlSocket socket(io_, dest, "v7", echo_);
  const UniqueFd controller = connect_control_socket(dest, "v7");
  read(controller, 1);
  echo_.full = true;
  send(controller, orders::encode_frame("one") + orders::encode_frame("two"));
  for (int i = 0; i < 10; ++i) {
    io_.restart();
    io_.poll();
  }
  EXPECT_TRUE(echo_.orders.empty());
  echo_.full = false;
  socket.resume();
  const auto answers = read(controller, 2);
  EXPECT_EQ(answers.at(0).json, "one");
  EXPECT_EQ(answers.at(1).json, "two");
}

TEST_F(ControlSocketTest, who_does_not_read_is_let_go_and_the_others_hear_everything) {
  const Destination dest = destination();
  ControlSocket socket(io_, dest, "v7", echo_);
  const UniqueFd slow = connect_control_socket(dest, "v7");
  const UniqueFd quick = connect_control_socket(dest, "v7");
  read(quick, 1);
  const std::string line(64 << 10, 'x');
  const std::size_t lines = 4 * ControlSocket::max_waiting_bytes / line.size();
  for (std::size_t i = 0; i < lines; ++i) {
    socket.tell(line);
    ASSERT_EQ(read(quick, 1).size(), 1u);
  }
  const auto heard = read(slow, lines);
  EXPECT_GT(heard.size(), 1u);
  EXPECT_LT(heard.size(), lines) << "the rest was not kept for it";
}

TEST_F(ControlSocketTest, at_the_end_everybody_hears_the_last_word) {
  const Destination dest = destination();
  ControlSocket socket(io_, dest, "v7", echo_);
  bool drained = false;
  socket.drain(1h, [&] { drained = true; });
  io_.poll();
  EXPECT_FALSE(drained) << "nobody came yet";
  const UniqueFd controller = connect_control_socket(dest, "v7");
  EXPECT_EQ(read(controller, 1).at(0).json, "hello");
  while (!drained) {
    io_.restart();
    io_.poll();
  }
}

}  // namespace
}  // namespace murder::node
