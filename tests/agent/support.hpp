// What the tests of src/agent share: a session with an agent that runs in this process, and
// stand-ins for the processes that it starts (see main_test.cpp).
#pragma once

#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <utility>

#include "agent/agent.hpp"
#include "host/support.hpp"
#include "orders/frame.hpp"
#include "orders/orders.hpp"

namespace murder::agent::test {

using namespace murder::test;
using orders::Frame;

/// So long that only a failure would use it up.
inline constexpr std::chrono::seconds patience{60};

/// The control side of one session.
class Control {
 public:
  explicit Control(const fs::path& state,
                   fs::path executable = fs::read_symlink("/proc/self/exe")) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      throw_system_error("cannot make", "a pair of sockets", errno);
    ours_ = UniqueFd(ends[0]);
    AgentOptions options;
    options.executable = std::move(executable);
    options.state = state;
    agent_ = std::thread([this, options, theirs = ends[1]]() mutable {
      const UniqueFd end(theirs);
      options.input = options.output = end.get();
      status_ = run_agent(options, Log::silent());
    });
    hello_ = orders::parse_hello(next().json);
  }
  ~Control() { close(); }
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  const orders::Hello& hello() const { return hello_; }

  void send_bytes(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(ours_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw_system_error("cannot write to", "the agent", errno);
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void send(std::string_view json, std::span<const std::uint8_t> attachment = {}) {
    send_bytes(orders::encode_frame(json, attachment));
  }
  /// Returns its id.
  template <class O>
  std::uint64_t give(const O& order, std::string_view attachment = {}) {
    const std::uint64_t id = next_id_++;
    send(orders::encode_order(id, order), as_bytes(attachment));
    return id;
  }
  /// Gives the order and waits for its answer; what a transfer says meanwhile is in events().
  template <class O>
  typename O::Answer ask(const O& order, std::string_view attachment = {}) {
    return answer<O>(give(order, attachment));
  }
  template <class O>
  typename O::Answer answer(std::uint64_t id) {
    for (;;) {
      const Frame frame = next();
      if (orders::answered_id(frame.json) == id)
        return orders::parse_answer<typename O::Answer>(frame.json);
      said_.push_back(frame);
    }
  }
  /// The next frame that has this key, and this value in it.
  Frame wait_for(const std::string& key, const std::string& value = {}) {
    for (;;) {
      Frame frame = next();
      const auto json = nlohmann::json::parse(frame.json);
      if (json.contains(key) && (value.empty() || json[key] == value)) return frame;
      said_.push_back(std::move(frame));
    }
  }
  /// What came that was no answer.
  const std::vector<Frame>& said() const { return said_; }
  bool was_said(std::string_view words) const {
    return std::any_of(said_.begin(), said_.end(), [&](const Frame& frame) {
      return frame.json.find(words) != std::string::npos;
    });
  }

  /// Throws Error when there is none within a minute, or the agent has ended.
  Frame next() {
    char buffer[65536];
    for (;;) {
      if (auto frame = reader_.next()) return std::move(*frame);
      pollfd ask{ours_.get(), POLLIN, 0};
      const auto ms = std::chrono::milliseconds(patience).count();
      if (::poll(&ask, 1, static_cast<int>(ms)) == 0)
        throw Error(ErrorKind::failed, "the agent said nothing for a minute");
      const ssize_t n = ::read(ours_.get(), buffer, sizeof buffer);
      if (n <= 0) throw Error(ErrorKind::failed, "the agent has ended");
      reader_.add(std::string_view(buffer, static_cast<std::size_t>(n)));
    }
  }

  /// No more orders; what is said can still be read.
  void end_of_orders() { ::shutdown(ours_.get(), SHUT_WR); }
  /// As when ssh dies. Returns the agent's status.
  int close() {
    ours_.reset();
    return wait();
  }
  int wait() {
    if (agent_.joinable()) agent_.join();
    return status_;
  }
  int fd() const { return ours_.get(); }

 private:
  UniqueFd ours_;
  std::thread agent_;
  int status_ = -1;
  orders::FrameReader reader_;
  orders::Hello hello_;
  std::uint64_t next_id_ = 1;
  std::vector<Frame> said_;
};

/// A destination with three staged releases, v1 to v3.
class AgentTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* tag : {"v1", "v2", "v3"}) stage(destination_, tag, sample_pack(tag));
  }
  std::string dest() const { return (temp_.path() / "app").native(); }
  fs::path path(const std::string& below) const { return temp_.path() / "app" / below; }
  fs::path state() const { return temp_.path() / "state"; }
  std::string live() const { return destination_.current_tag().value_or(""); }

  orders::Activate activation(const std::string& tag) const {
    orders::Activate order;
    order.dest = dest();
    order.tag = tag;
    order.host = "web1";
    order.deploy = "d1";
    return order;
  }
  orders::Check check(const std::string& command) const {
    orders::Check order;
    order.dest = dest();
    order.command = command;
    order.timeout_s = 60;
    return order;
  }

  TempFolder temp_;
  Destination destination_ = Destination::open(temp_.path() / "app", Destination::Mode::create);
};

}  // namespace murder::agent::test
