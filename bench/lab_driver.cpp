// src/lab over stdin and stdout, one JSON object a line, so that the benchmark's Python measures on
// the same lab as the demo and the tests. Not part of the product.
//
// Requests have "id" and "do"; each gets one reply with the same "id" and "ok", and with "error"
// when it failed. In between come events, as they happen, with "t" on the machine's monotonic
// clock:
//   {"event":"line","process":7,"t":81.2,"text":"…"}   a line with one of the words asked for
//   {"event":"exit","process":7,"t":81.3,"status":0,"cpu":0.12,"peak":9437184,"tail":"…"}
//
// The main thread answers requests; another one reads what children write and reaps them. When
// stdin ends everything is removed, the scratch folder too; when this process is killed the kernel
// kills the children and the next lab removes the namespaces.
#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "lab/delay_relay.hpp"
#include "lab/lab.hpp"

namespace murder {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

double now_s() { return to_seconds(steady_clock::now().time_since_epoch()); }

/// stdout, from two threads.
class Output {
 public:
  void write(const json& object) {
    const std::string line = object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    const std::lock_guard lock(mutex_);
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
  }

 private:
  std::mutex mutex_;
};

/// One child and what it has written.
struct Child {
  lab::Process process;
  UniqueFd pidfd;
  UniqueFd pipe;
  std::vector<std::string> words;  ///< lines with one of these are passed on
  std::string line;                ///< begun, not ended
  std::deque<std::string> tail;    ///< the last lines, for whoever wants to know why it failed
  bool exited = false;
};

/// The children of the present lab. `mutex_` guards all of it but the threads' own.
class Children {
 public:
  explicit Children(Output& output)
      : output_(output), epoll_(::epoll_create1(EPOLL_CLOEXEC)), stop_(::eventfd(0, EFD_CLOEXEC)) {
    if (!epoll_ || !stop_) throw_system_error("cannot make", "an epoll descriptor", errno);
    watch(stop_.get(), 0);
    thread_ = std::thread([this] { run(); });
  }
  ~Children() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  json start(lab::Lab& lab, const json& request) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_system_error("cannot make", "a pipe", errno);
    auto child = std::make_unique<Child>();
    child->pipe.reset(ends[0]);
    const UniqueFd theirs(ends[1]);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    child->words = request.value("watch", std::vector<std::string>{});
    const double t = now_s();
    child->process =
        lab.spawn(request.at("host").get<std::size_t>(),
                  request.at("argv").get<std::vector<std::string>>(), theirs.get(), theirs.get());
    const pid_t pid = child->process.pid();
    child->pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!child->pidfd) throw_system_error("cannot watch", "a child", errno);

    const std::lock_guard lock(mutex_);
    const std::uint64_t number = ++last_number_;
    watch(child->pipe.get(), number << 1);
    watch(child->pidfd.get(), number << 1 | 1);
    children_.emplace(number, std::move(child));
    return {{"process", number}, {"pid", pid}, {"t", t}};
  }

  void signal(const std::vector<std::uint64_t>& numbers, int signal_number) {
    const std::lock_guard lock(mutex_);
    for (const std::uint64_t number : numbers)
      if (const auto at = children_.find(number); at != children_.end())
        at->second->process.signal(signal_number);
  }

  /// SIGTERM, then SIGKILL to those that are there after `grace`. All have ended on return.
  void stop(const std::vector<std::uint64_t>& numbers, Duration grace) {
    signal(numbers, SIGTERM);
    signal(numbers, SIGCONT);
    if (wait(numbers, grace)) return;
    signal(numbers, SIGKILL);
    wait(numbers, std::chrono::seconds(20));
  }

  void stop_all() {
    std::vector<std::uint64_t> numbers;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [number, child] : children_) numbers.push_back(number);
    }
    signal(numbers, SIGKILL);
    wait(numbers, std::chrono::seconds(20));
    const std::lock_guard lock(mutex_);
    children_.clear();
  }

 private:
  void watch(int fd, std::uint64_t tag) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = tag;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
      throw_system_error("cannot watch", "a descriptor", errno);
  }

  bool wait(const std::vector<std::uint64_t>& numbers, Duration limit) {
    std::unique_lock lock(mutex_);
    return ended_.wait_for(lock, limit, [&] {
      return std::all_of(numbers.begin(), numbers.end(), [&](std::uint64_t number) {
        const auto at = children_.find(number);
        return at == children_.end() || at->second->exited;
      });
    });
  }

  void run() {
    for (;;) {
      std::array<epoll_event, 64> events{};
      const int count =
          ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
      const double t = now_s();
      const std::lock_guard lock(mutex_);
      for (int i = 0; i < count; ++i) {
        const std::uint64_t tag = events[static_cast<std::size_t>(i)].data.u64;
        if (tag == 0) return;
        const auto at = children_.find(tag >> 1);
        if (at == children_.end()) continue;
        if ((tag & 1) != 0)
          reap(at->first, *at->second, t);
        else if (!read_lines(at->first, *at->second, t))
          ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, at->second->pipe.get(), nullptr);
      }
    }
  }

  /// False at the end of what it writes.
  bool read_lines(std::uint64_t number, Child& child, double t) {
    std::array<char, 16384> buffer{};
    for (;;) {
      const ssize_t got = ::read(child.pipe.get(), buffer.data(), buffer.size());
      if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
      for (const char c : std::string_view(buffer.data(), static_cast<std::size_t>(got)))
        if (c == '\n' || c == '\r')
          end_line(number, child, t);
        else if (child.line.size() < 8192)
          child.line += c;
    }
  }

  void end_line(std::uint64_t number, Child& child, double t) {
    if (child.line.empty()) return;
    const auto has = [&](const std::string& w) { return child.line.find(w) != std::string::npos; };
    if (std::any_of(child.words.begin(), child.words.end(), has))
      output_.write({{"event", "line"}, {"process", number}, {"t", t}, {"text", child.line}});
    child.tail.push_back(std::move(child.line));
    child.line.clear();
    constexpr std::size_t lines_kept = 12;
    if (child.tail.size() > lines_kept) child.tail.pop_front();
  }

  void reap(std::uint64_t number, Child& child, double t) {
    if (child.exited || !child.process.poll()) return;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, child.pidfd.get(), nullptr);
    read_lines(number, child, t);
    end_line(number, child, t);
    child.exited = true;
    std::string tail;
    for (const std::string& line : child.tail) tail += line + "\n";
    output_.write({{"event", "exit"},
                   {"process", number},
                   {"t", t},
                   {"status", *child.process.poll()},
                   {"cpu", child.process.cpu_seconds()},
                   {"peak", child.process.peak_rss_bytes()},
                   {"tail", tail}});
    ended_.notify_all();
  }

  Output& output_;
  UniqueFd epoll_;
  UniqueFd stop_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::map<std::uint64_t, std::unique_ptr<Child>> children_;
  std::uint64_t last_number_ = 0;
  std::thread thread_;
};

/// A folder of this process's own, removed with all its content.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::string& parent) {
    std::string name = parent + "/murder-bench-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw_system_error("cannot make", name, errno);
    path_ = name;
  }
  ~ScratchFolder() { remove(); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void remove() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

 private:
  std::filesystem::path path_;
};

Rate rate_of(const json& bits_per_second) { return Rate{bits_per_second.get<double>() / 8}; }

lab::Link link_of(const json& request) {
  return {.up = rate_of(request.at("up")), .down = rate_of(request.at("down"))};
}

lab::LabOptions options_of(const json& request) {
  lab::LabOptions options{.hosts = request.at("hosts").get<std::size_t>()};
  if (request.contains("up")) options.link = link_of(request);
  options.congestion_control = request.value("congestion_control", "");
  options.round_trip = from_seconds(request.value("round_trip", 0.0));
  options.loss = request.value("loss", 0.0);
  if (request.contains("racks"))
    options.racks = lab::Racks{.first_rack = request["racks"].at("first").get<std::size_t>(),
                               .between = rate_of(request["racks"].at("between"))};
  return options;
}

class Driver {
 public:
  explicit Driver(const std::string& parent) : scratch_(parent), children_(output_) {}
  ~Driver() { end_lab(); }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  void serve() {
    for (std::string line; std::getline(std::cin, line);) {
      json reply;
      try {
        const json request = json::parse(line);
        reply["id"] = request.at("id");
        reply.update(answer(request));
        reply["ok"] = true;
      } catch (const std::exception& error) {
        reply["ok"] = false;
        reply["error"] = error.what();
      }
      output_.write(reply);
    }
  }

 private:
  json answer(const json& request) {
    const std::string what = request.at("do");
    if (what == "check") return check();
    if (what == "lab") return make_lab(request);
    if (what == "end_lab") return end_lab();
    if (what == "spawn") return spawn(request);
    if (what == "signal") return signal(request);
    if (what == "stop") return stop(request);
    if (what == "set_link") return set_link(request);
    if (what == "bytes_sent") return {{"bytes", lab().bytes_sent(host_of(request))}};
    if (what == "plain_copy") return plain_copy(request);
    if (what == "fan_out") return fan_out(request);
    if (what == "chain") return chain(request);
    throw Error(ErrorKind::usage, "there is no request " + printable(what));
  }

  json check() {
    std::string why_not;
    const bool can = lab::Lab::can_make_namespaces(&why_not);
    return {{"namespaces", can}, {"why_not", why_not}, {"scratch", scratch_.path().native()}};
  }

  json make_lab(const json& request) {
    end_lab();
    const lab::LabOptions options = options_of(request);
    lab_ = request.value("loopback", false) ? lab::Lab::on_loopback(options)
                                            : lab::Lab::with_namespaces(options);
    json addresses = json::array();
    for (std::size_t host = 0; host < lab_->host_count(); ++host)
      addresses.push_back(lab_->address(host).to_string());
    return {{"addresses", addresses}};
  }

  json end_lab() {
    if (!lab_) return json::object();
    children_.stop_all();
    json out = json::object();
    if (const auto relay = lab_->relay_stats())
      out["relay"] = {{"packets", relay->packets},
                      {"cpu", relay->cpu_seconds},
                      {"mean_late", relay->mean_late_s},
                      {"most_late", relay->most_late_s}};
    lab_.reset();
    return out;
  }

  /// All of "processes", one after the other; "t" is when the first was about to be started.
  json spawn(const json& request) {
    const double t = now_s();
    json started = json::array();
    for (const json& process : request.at("processes"))
      started.push_back(children_.start(lab(), process));
    return {{"t", t}, {"started", started}};
  }

  json signal(const json& request) {
    const double t = now_s();
    children_.signal(request.at("processes"), request.at("signal").get<int>());
    return {{"t", t}};
  }

  json stop(const json& request) {
    children_.stop(request.at("processes"), from_seconds(request.value("grace", 2.0)));
    return json::object();
  }

  json set_link(const json& request) {
    lab().set_link(host_of(request), link_of(request));
    return json::object();
  }

  /// A copy may take minutes; when stdin ends meanwhile, all is removed and this process ends.
  template <class Copy>
  auto unless_abandoned(Copy copy) {
    auto result = std::async(std::launch::async, copy);
    constexpr std::chrono::milliseconds between_looks{20};
    while (result.wait_for(between_looks) != std::future_status::ready) {
      pollfd input{STDIN_FILENO, 0, 0};
      if (::poll(&input, 1, 0) == 1 && (input.revents & (POLLHUP | POLLERR)) != 0) abandon();
    }
    return result.get();
  }

  [[noreturn]] void abandon() {
    end_lab();
    scratch_.remove();
    ::_exit(1);  // the copy's threads are still at it
  }

  json plain_copy(const json& request) {
    const Duration taken = unless_abandoned([&] {
      return lab::plain_copy(lab(), request.at("from").get<std::size_t>(),
                             request.at("to").get<std::size_t>(), file_of(request),
                             limit_of(request));
    });
    return {{"seconds", to_seconds(taken)}};
  }

  json fan_out(const json& request) {
    const Duration taken = unless_abandoned([&] {
      return lab::fan_out_copy(lab(), request.at("from").get<std::size_t>(),
                               request.at("to").get<std::vector<std::size_t>>(), file_of(request),
                               limit_of(request));
    });
    return {{"seconds", to_seconds(taken)}};
  }

  json chain(const json& request) {
    json times = json::array();
    const std::vector<Duration> taken = unless_abandoned([&] {
      return lab::chain_copy(lab(), request.at("hosts").get<std::vector<std::size_t>>(),
                             file_of(request), limit_of(request));
    });
    for (const Duration one : taken) times.push_back(to_seconds(one));
    return {{"seconds", times}};
  }

  lab::Lab& lab() {
    if (!lab_) throw Error(ErrorKind::usage, "there is no lab");
    return *lab_;
  }
  static std::size_t host_of(const json& request) { return request.at("host").get<std::size_t>(); }
  static std::filesystem::path file_of(const json& request) {
    return request.at("file").get<std::string>();
  }
  static Duration limit_of(const json& request) {
    return from_seconds(request.value("limit", 600.0));
  }

  Output output_;
  ScratchFolder scratch_;
  std::unique_ptr<lab::Lab> lab_;
  Children children_;  ///< ended before the lab whose namespaces they are in
};

}  // namespace
}  // namespace murder

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("murder_lab_driver FOLDER: a lab over stdin and stdout, see its source\n", stderr);
    return 2;
  }
  // Ctrl-C is for the harness, which then closes stdin; a reader that went away is an end too.
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    murder::Driver driver(argv[1]);
    driver.serve();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "murder_lab_driver: %s\n", error.what());
    return 1;
  }
  return 0;
}
