#include "cli/fleet_watch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"

namespace murder::cli {
namespace {

constexpr Duration look_up_every = std::chrono::milliseconds(100);

Instant now() { return std::chrono::steady_clock::now(); }

std::string last_line_of(const std::filesystem::path& path) {
  constexpr std::uint64_t longest = 1u << 20;
  std::string text;
  try {
    text = read_file(path, longest);
  } catch (const Error&) {
    return {};  // what it says is welcome, not needed
  }
  text.erase(text.find_last_not_of('\n') + 1);
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace

FleetWatch::FleetWatch(lab::Lab& lab, SignalWatch& signals, std::filesystem::path log_folder)
    : lab_(lab), signals_(signals), log_folder_(std::move(log_folder)) {}

FleetWatch::~FleetWatch() { kill_all(); }

void FleetWatch::kill_all() noexcept {
  // All of them before any is waited for.
  for (Child& child : children_) child.process.signal(SIGKILL);
}

std::size_t FleetWatch::start(std::size_t host, const std::vector<std::string>& argv,
                              OnLine on_line, OnEnd on_end) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_system_error("cannot make", "a pipe", errno);
  UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  Child child;
  child.log = log_folder_ / fmt::format("{}.log", children_.size());
  const UniqueFd log = open_file(child.log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  child.process = lab_.spawn(host, argv, write_end.get(), log.get());
  child.out = std::move(read_end);
  child.on_line = std::move(on_line);
  child.on_end = std::move(on_end);
  children_.push_back(std::move(child));
  return children_.size() - 1;
}

bool FleetWatch::wait_until(const std::function<bool()>& done,
                            const std::function<void()>& meanwhile, std::optional<Duration> limit) {
  const Instant begin = now();
  for (;;) {
    signals_.check();
    if (meanwhile) meanwhile();
    if (done()) return true;
    if (limit && now() - begin >= *limit) return false;
    poll_once(look_up_every);
  }
}

void FleetWatch::poll_once(Duration time) {
  std::vector<pollfd> waiting{{signals_.fd(), POLLIN, 0}};
  std::vector<Child*> owners{nullptr};
  for (Child& child : children_) {
    if (!child.out) {
      if (!child.ended) reap(child);
      continue;
    }
    waiting.push_back({child.out.get(), POLLIN, 0});
    owners.push_back(&child);
  }
  const auto timeout = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  if (::poll(waiting.data(), waiting.size(), static_cast<int>(timeout)) <= 0) return;
  for (std::size_t i = 1; i < waiting.size(); ++i)
    if (waiting[i].revents != 0) read_from(*owners[i]);
}

void FleetWatch::read_from(Child& child) {
  std::array<char, 65536> buffer{};
  const ssize_t got = ::read(child.out.get(), buffer.data(), buffer.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    child.out.reset();
    reap(child);
    return;
  }
  child.unfinished_line.append(buffer.data(), static_cast<std::size_t>(got));
  std::size_t begin = 0;
  for (std::size_t end; (end = child.unfinished_line.find('\n', begin)) != std::string::npos;
       begin = end + 1)
    child.on_line(std::string_view(child.unfinished_line).substr(begin, end - begin));
  child.unfinished_line.erase(0, begin);
}

void FleetWatch::reap(Child& child) {
  // It may take a moment from closing its stdout to its end.
  const std::optional<int> status = child.process.poll();
  if (!status) return;
  child.ended = true;
  child.on_end(*status, last_line_of(child.log));
}

bool FleetWatch::all_ended() const { return std::ranges::all_of(children_, &Child::ended); }

void FleetWatch::end_all(Duration grace) {
  for (Child& child : children_) child.process.signal(SIGTERM);
  if (wait_until([this] { return all_ended(); }, {}, grace)) return;
  kill_all();
  wait_until([this] { return all_ended(); }, {});
}

}  // namespace murder::cli
