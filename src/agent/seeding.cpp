#include "agent/seeding.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "agent/deploy_folder.hpp"
#include "agent/log_tail.hpp"
#include "agent/notice.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "host/spawn.hpp"

namespace murder::agent {
namespace {

namespace asio = boost::asio;

constexpr auto quietly = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t read_bytes = 16u << 10;
constexpr std::size_t kept_words_bytes = 8u << 10;
constexpr Duration look_every = std::chrono::milliseconds(10);

/// Where to listen so that others reach it at that address; empty: everywhere.
std::string listen_on(const std::string& address) {
  const auto parsed = IpAddress::parse(address);
  if (!parsed)
    throw Error(ErrorKind::usage, fmt::format("\"{}\" is no address at which others reach this "
                                              "machine",
                                              printable(address)));
  const IpAddress listen = address_to_listen_on(*parsed);
  return listen.is_unspecified() ? std::string() : listen.to_string();
}

std::vector<std::string> command(const orders::Seed& order) {
  std::vector<std::string> argv{"murder",      "seed",   order.torrent, "--from",   order.payload,
                                "--no-config", "--json", "-q",          "--linger", "forever"};
  const auto add = [&](const char* flag, const std::string& value) {
    if (value.empty()) return;
    argv.emplace_back(flag);
    argv.push_back(value);
  };
  for (const std::string& url : order.trackers) add("--tracker", url);
  add("--name", order.host);
  add("--listen", listen_on(order.address));
  add("--port", order.ports);
  add("--up", order.up);
  return argv;
}

}  // namespace

Seeding::Seeding(asio::io_context& io, std::filesystem::path executable, Tell tell)
    : io_(io), executable_(std::move(executable)), tell_(std::move(tell)) {}

Seeding::~Seeding() { end(); }

asio::awaitable<orders::Done> Seeding::serve(const orders::Seed& order) {
  if (ended_) co_return orders::Done{};
  if (process_) throw Error(ErrorKind::usage, "a seeder of this session runs here already");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_system_error("cannot make", "a pipe", errno);
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  words_.clear();
  process_ =
      spawn({.program = executable_.native(), .argv = command(order), .output = write_end.get()});
  write_end.reset();
  output_.emplace(io_, read_end.release());
  orders::Frame runs;
  runs.json = R"({"event":"transfer","state":"serving","seeder":true})";
  co_await tell_(std::move(runs));
  co_await pass_on_events();
  std::optional<int> status;
  while (!ended_ && !status) {
    status = reap(*process_);
    if (!status) co_await pause_for(io_, look_every);
  }
  if (ended_) co_return orders::Done{};
  process_.reset();
  const std::string words = last_words(words_);
  throw Error(ErrorKind::failed, fmt::format("the seeder ended: {}",
                                             words.empty() ? describe_status(*status) : words));
}

asio::awaitable<void> Seeding::pass_on_events() {
  std::vector<char> buffer(read_bytes);
  std::string text;
  while (!ended_) {
    const auto [error, n] = co_await output_->async_read_some(asio::buffer(buffer), quietly);
    if (error) break;
    text.append(buffer.data(), n);
    std::size_t end = 0;
    while (!ended_ && (end = text.find('\n')) != std::string::npos) {
      std::string line = text.substr(0, end);
      text.erase(0, end + 1);
      co_await take_line(std::move(line));
    }
  }
}

asio::awaitable<void> Seeding::take_line(std::string line) {
  if (line.starts_with('{')) {
    orders::Frame frame;
    frame.json = std::move(line);
    co_await tell_(std::move(frame));
    co_return;
  }
  words_ += line + "\n";
  if (words_.size() > 2 * kept_words_bytes) words_.erase(0, words_.size() - kept_words_bytes);
}

void Seeding::end() {
  if (std::exchange(ended_, true)) return;
  if (process_) ::kill(*process_, SIGTERM);
  boost::system::error_code ignored;
  if (output_) output_->close(ignored);
}

}  // namespace murder::agent
