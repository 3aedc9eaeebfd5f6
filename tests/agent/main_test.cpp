// The test program stands in for murder itself: as `peer` it is a transfer that does as its torrent
// says, as `tracker` it says that it listens.
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <fstream>
#include <iostream>

#include "agent/support.hpp"
#include "node/control_socket.hpp"

namespace murder::agent::test {
namespace {

using Arguments = std::vector<std::string>;

std::string value_of(const Arguments& arguments, const std::string& flag) {
  const auto it = std::find(arguments.begin(), arguments.end(), flag);
  return it == arguments.end() || it + 1 == arguments.end() ? "" : it[1];
}

/// `peer fake:TAG:BEHAVIOUR --to DEST …`. Everything it does ends within a minute.
class FakePeer : private node::ControlSocket::Handler {
 public:
  explicit FakePeer(const Arguments& arguments)
      : tag_(arguments[1].substr(5, arguments[1].rfind(':') - 5)),
        behaviour_(arguments[1].substr(arguments[1].rfind(':') + 1)),
        info_hash_(value_of(arguments, "--info-hash")),
        destination_(Destination::open(value_of(arguments, "--to"), Destination::Mode::create)) {
    std::ofstream started(destination_.path() / "started", std::ios::app);
    for (const std::string& argument : arguments) started << argument << ' ';
    started << ::getpid() << '\n';
  }

  int run() {
    if (behaviour_ == "refuse") {
      std::cerr << "a line of talk\nmurder: v7 exists with other bytes\n";
      return 2;
    }
    const TransferLock lock(destination_, tag_);
    node::ControlSocket socket(io_, destination_, tag_, *this);
    socket_ = &socket;
    boost::asio::steady_timer timer(io_, patience);
    timer.async_wait([&](auto) { io_.stop(); });
    io_.run();
    return status_;
  }

 private:
  bool is_first_try() const {
    std::ifstream started(destination_.path() / "started");
    std::string line;
    std::getline(started, line);
    return !std::getline(started, line);
  }

  std::vector<std::string> greeting() override {
    boost::asio::post(io_, [this] { act(); });
    return {fmt::format(R"({{"event":"transfer","tag":"{}","info_hash":"{}"}})", tag_,
                        behaviour_ == "other" ? std::string(40, 'f') : info_hash_)};
  }

  void act() {
    if (behaviour_ == "stage" || (behaviour_ == "die-once" && !is_first_try())) {
      socket_->tell(R"({"event":"complete","downloaded_bytes":100,"resumed_bytes":20})");
      socket_->tell(R"({"event":"staged","tag":"v7"})");
    } else if (behaviour_ == "die-once" || behaviour_ == "die") {
      std::cerr << "about to die\n";
      ::raise(SIGKILL);
    } else if (behaviour_ == "fail") {
      status_ = 5;
      socket_->tell(
          R"({"event":"error","kind":"integrity","exit":5,"message":"piece 3 is wrong"})");
      socket_->drain({}, [this] { io_.stop(); });
    } else if (behaviour_ == "let-go-once" && !let_go_) {
      // As of one who does not read: it is let go, and the transfer goes on.
      let_go_ = true;
      const std::string much(2u << 20, ' ');
      socket_->tell("{\"event\":\"much\"" + much + "}");
    } else if (behaviour_ == "let-go-once") {
      socket_->tell(R"({"event":"staged","tag":"v7"})");
    }
  }

  void on_order(orders::Frame order, node::ControlSocket::Answer answer) override {
    const std::string name = orders::peek_order(order.json).name;
    received_ += order.attachment.size();
    if (name == "pieces") {
      answer(fmt::format(R"({{"fed":{}}})", received_), {});
    } else if (name == "have") {
      answer(R"({"have":true})", as_bytes("some"));
    } else if (name == "finish") {
      socket_->tell(R"({"event":"complete","downloaded_bytes":100,"resumed_bytes":20})");
      socket_->tell(R"({"event":"staged","tag":"v7"})");
    } else if (name == "stop") {
      io_.stop();
    }
  }
  bool is_full() const override { return behaviour_ == "deaf"; }

  std::string tag_;
  std::string behaviour_;
  std::string info_hash_;
  Destination destination_;
  boost::asio::io_context io_{1};
  node::ControlSocket* socket_ = nullptr;
  std::uint64_t received_ = 0;
  bool let_go_ = false;
  int status_ = 0;
};

int fake_tracker(const Arguments& arguments) {
  const std::string listen = value_of(arguments, "--listen");
  std::ofstream(value_of(arguments, "--files") + "/../arguments")
      << fmt::format("{}", fmt::join(arguments, " "));
  std::cout << R"({"event":"listening","role":"tracker","endpoint":")" << listen << "\"}"
            << std::endl;
  ::alarm(static_cast<unsigned>(patience.count()));
  for (;;) ::pause();
}

}  // namespace
}  // namespace murder::agent::test

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && arguments[0] == "peer") try {
      return murder::agent::test::FakePeer(arguments).run();
    } catch (const murder::Error& error) {
      std::cerr << "murder: " << error.what() << '\n';
      return error.exit_status();
    }
  if (!arguments.empty() && arguments[0] == "tracker")
    return murder::agent::test::fake_tracker(arguments);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
