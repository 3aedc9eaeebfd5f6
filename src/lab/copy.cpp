// The plain TCP copy that a swarm is measured against: no protocol, no disk on the receiving side,
// one connection a receiver, the congestion control of the sender's host.
//
// Sockets are made inside the hosts' namespaces; after that any thread may use them, so one thread
// sends to all and the calling one receives for all.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <exception>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <string_view>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <thread>
#include <unordered_map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "lab/lab.hpp"

namespace murder::lab {
namespace {

constexpr std::size_t chunk_bytes = 1_MiB;
constexpr int look_up_every_ms = 50;  // how soon a waiting thread sees the deadline or the end

sockaddr_in socket_address(const IpAddress& address, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  const auto bytes = address.v4_bytes();
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::uint8_t*>(&out.sin_addr));
  return out;
}

/// A TCP socket of this thread's namespace, bound to a port that the kernel picks.
UniqueFd bound_socket(const IpAddress& address) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw_system_error("cannot make a socket on", address.to_string(), errno);
  const sockaddr_in local = socket_address(address, 0);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0)
    throw_system_error("cannot bind to", address.to_string(), errno);
  return fd;
}

std::uint16_t port_of(int fd) {
  sockaddr_in local{};
  socklen_t length = sizeof local;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &length) != 0)
    throw_system_error("cannot read the address of", "a socket", errno);
  return ntohs(local.sin_port);
}

class Epoll {
 public:
  Epoll() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!fd_) throw_system_error("cannot make", "an epoll descriptor", errno);
  }
  void add(int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
      throw_system_error("cannot watch", "a socket", errno);
  }
  /// Calls `ready(fd)` for each; returns after `look_up_every_ms` at the latest.
  template <class Ready>
  void wait(Ready ready) {
    std::array<epoll_event, 64> events{};
    const int count =
        ::epoll_wait(fd_.get(), events.data(), static_cast<int>(events.size()), look_up_every_ms);
    if (count < 0 && errno != EINTR) throw_system_error("cannot wait for", "sockets", errno);
    for (int i = 0; i < count; ++i) ready(events[static_cast<std::size_t>(i)].data.fd);
  }

 private:
  UniqueFd fd_;
};

/// The serving side, on a thread of its own: accepts `receivers` connections and sends the file
/// down each.
class Sender {
 public:
  Sender(UniqueFd listener, UniqueFd file, std::uint64_t size, std::size_t receivers)
      : listener_(std::move(listener)),
        file_(std::move(file)),
        size_(size),
        receivers_(receivers),
        thread_([this] { run(); }) {}
  ~Sender() { stop(); }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  /// Ends the thread, done or not; what went wrong in it, if anything.
  std::exception_ptr stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
    return failure_;
  }

 private:
  struct Connection {
    UniqueFd socket;
    off_t offset = 0;
  };

  void run() noexcept {
    // sendfile has no MSG_NOSIGNAL; a receiver that hung up is to be an error of this copy alone.
    sigset_t broken_pipe;
    ::sigemptyset(&broken_pipe);
    ::sigaddset(&broken_pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    try {
      Epoll epoll;
      epoll.add(listener_.get(), EPOLLIN);
      while (finished_ < receivers_ && !stopping_)
        epoll.wait([&](int fd) {
          if (fd == listener_.get())
            accept_one(epoll);
          else
            send_some(fd);
        });
    } catch (...) {
      failure_ = std::current_exception();
    }
    connections_.clear();
  }

  void accept_one(Epoll& epoll) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) return;
    const int fd = socket.get();
    connections_[fd].socket = std::move(socket);
    epoll.add(fd, EPOLLOUT);
  }

  void send_some(int fd) {
    Connection& connection = connections_.at(fd);
    // One chunk a turn, so that with several receivers none waits for another's whole file.
    const std::uint64_t left = size_ - static_cast<std::uint64_t>(connection.offset);
    const ssize_t sent =
        ::sendfile(fd, file_.get(), &connection.offset, std::min<std::uint64_t>(left, chunk_bytes));
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
      throw_system_error("cannot send to", "a receiver", errno);
    if (sent == 0 && left > 0) throw Error(ErrorKind::failed, "the file became shorter");
    if (static_cast<std::uint64_t>(connection.offset) < size_) return;
    connections_.erase(fd);  // closes it; the kernel sends what it still holds
    ++finished_;
  }

  UniqueFd listener_;
  UniqueFd file_;
  std::uint64_t size_;
  std::size_t receivers_;
  std::size_t finished_ = 0;
  std::unordered_map<int, Connection> connections_;
  std::atomic<bool> stopping_{false};
  std::exception_ptr failure_;  ///< read after the thread has ended
  std::thread thread_;
};

/// The receiving side of one host.
struct Receiver {
  std::size_t host = 0;
  UniqueFd socket;
  std::uint64_t received = 0;

  /// Reads once and throws it away; true when the end has come.
  bool receive_some(std::span<char> scratch) {
    // MSG_TRUNC: TCP drops the bytes without copying them (tcp(7)).
    const ssize_t got = ::recv(socket.get(), scratch.data(), scratch.size(), MSG_TRUNC);
    if (got < 0 && errno != EAGAIN && errno != EINTR)
      throw_system_error("cannot receive on", fmt::format("host {}", host), errno);
    if (got > 0) received += static_cast<std::uint64_t>(got);
    return got == 0;
  }
};

std::string progress_of(const std::unordered_map<int, Receiver>& receivers, std::uint64_t size) {
  const auto slowest = std::min_element(
      receivers.begin(), receivers.end(),
      [](const auto& a, const auto& b) { return a.second.received < b.second.received; });
  return fmt::format("host {} has {} of {}", slowest->second.host,
                     format_bytes(slowest->second.received), format_bytes(size));
}

/// Until every receiver has `size` bytes; the moment when the last one had.
Instant receive_all(std::unordered_map<int, Receiver>& receivers, std::uint64_t size,
                    Instant deadline) {
  Epoll epoll;
  for (const auto& [fd, receiver] : receivers) epoll.add(fd, EPOLLIN);
  std::vector<char> scratch(chunk_bytes);
  Instant last_byte{};
  while (!receivers.empty()) {
    epoll.wait([&](int fd) {
      Receiver& receiver = receivers.at(fd);
      const bool ended = receiver.receive_some(scratch);
      if (receiver.received < size && ended)
        throw Error(ErrorKind::failed, "the sender hung up: " + progress_of(receivers, size));
      if (receiver.received < size || (size == 0 && !ended)) return;
      last_byte = std::chrono::steady_clock::now();
      receivers.erase(fd);
    });
    if (!receivers.empty() && std::chrono::steady_clock::now() > deadline)
      throw Error(ErrorKind::failed, "not done in time: " + progress_of(receivers, size));
  }
  return last_byte;
}

}  // namespace

Duration fan_out_copy(Lab& lab, std::size_t from, const std::vector<std::size_t>& to,
                      const std::filesystem::path& file, Duration limit) {
  if (to.empty()) return Duration::zero();
  UniqueFd content = open_file(file, O_RDONLY);
  const std::uint64_t size = file_size(content.get(), file);

  UniqueFd listener;
  lab.on_host(from, [&] {
    listener = bound_socket(lab.address(from));
    if (::listen(listener.get(), static_cast<int>(to.size())) != 0)
      throw_system_error("cannot listen on", lab.address(from).to_string(), errno);
  });
  const sockaddr_in server = socket_address(lab.address(from), port_of(listener.get()));
  // Outlives the sender: sockets closed on the way out would look to it like receivers hanging up.
  std::unordered_map<int, Receiver> receivers;
  Sender sender(std::move(listener), std::move(content), size, to.size());

  try {
    const Instant start = std::chrono::steady_clock::now();
    for (const std::size_t host : to) {
      UniqueFd socket;
      lab.on_host(host, [&] { socket = bound_socket(lab.address(host)); });
      if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0 &&
          errno != EINPROGRESS)
        throw_system_error("cannot connect from", fmt::format("host {}", host), errno);
      const int fd = socket.get();
      receivers.emplace(fd, Receiver{host, std::move(socket), 0});
    }
    return receive_all(receivers, size, start + limit) - start;
  } catch (const Error& error) {
    // When the sender broke off, its reason is the cause of what the receivers saw.
    const std::exception_ptr cause = sender.stop();
    std::string reason = error.what();
    try {
      if (cause) std::rethrow_exception(cause);
    } catch (const std::exception& first) {
      reason = first.what();
    }
    throw Error(ErrorKind::failed, fmt::format("cannot copy {} from host {}: {}",
                                               printable(file.native()), from, reason));
  }
}

namespace {

const char* const late = "not done in time";

/// Sends all of it on a socket that wakes up now and then; Error{failed} when `give_up()`.
template <class GiveUp>
void send_all(int socket, std::string_view bytes, GiveUp give_up) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
      throw_system_error("cannot send to", "the next host", errno);
    if (give_up()) throw Error(ErrorKind::failed, late);
    if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

/// One host of a chain, on a thread of its own: reads from the host before, keeps nothing, and
/// writes to the host after.
struct ChainLink {
  std::size_t host = 0;
  UniqueFd in;   ///< from the host before
  UniqueFd out;  ///< to the host after; none at the last
  Instant done{};
  std::exception_ptr failure;

  void run(std::uint64_t size, const std::atomic<bool>& stopping) noexcept {
    try {
      pass_on(size, stopping);
    } catch (...) {
      failure = std::current_exception();
    }
    in.reset();
    out.reset();
  }

 private:
  void pass_on(std::uint64_t size, const std::atomic<bool>& stopping) {
    std::vector<char> buffer(chunk_bytes / 4);
    for (std::uint64_t received = 0; received < size;) {
      const ssize_t got = ::recv(in.get(), buffer.data(), buffer.size(), 0);
      if (got < 0 && errno != EAGAIN && errno != EINTR)
        throw_system_error("cannot receive on", fmt::format("host {}", host), errno);
      if (got == 0)
        throw Error(ErrorKind::failed, fmt::format("the host before host {} hung up", host));
      if (stopping) throw Error(ErrorKind::failed, late);
      if (got < 0) continue;
      received += static_cast<std::uint64_t>(got);
      if (received >= size) done = std::chrono::steady_clock::now();
      if (out)
        send_all(out.get(), {buffer.data(), static_cast<std::size_t>(got)},
                 [&] { return stopping.load(); });
    }
  }
};

/// A blocking connection from one host to another: the end that sends and the end that receives.
/// Both wake up now and then, to see whether the copy was given up.
std::pair<UniqueFd, UniqueFd> connection(Lab& lab, std::size_t from, std::size_t to) {
  UniqueFd listener;
  lab.on_host(from, [&] {
    listener = bound_socket(lab.address(from));
    if (::listen(listener.get(), 1) != 0)
      throw_system_error("cannot listen on", lab.address(from).to_string(), errno);
  });
  UniqueFd receiving;
  lab.on_host(to, [&] { receiving = bound_socket(lab.address(to)); });
  for (const int fd : {listener.get(), receiving.get()}) {
    if (::fcntl(fd, F_SETFL, 0) != 0) throw_system_error("cannot prepare", "a socket", errno);
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  const sockaddr_in server = socket_address(lab.address(from), port_of(listener.get()));
  if (::connect(receiving.get(), reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0)
    throw_system_error("cannot connect from", fmt::format("host {}", to), errno);
  UniqueFd sending(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!sending) throw_system_error("cannot accept on", fmt::format("host {}", from), errno);
  const timeval look_up{.tv_sec = 0, .tv_usec = look_up_every_ms * 1000L};
  for (const int fd : {sending.get(), receiving.get()}) {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &look_up, sizeof look_up);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &look_up, sizeof look_up);
  }
  return {std::move(sending), std::move(receiving)};
}

void send_whole_file(int socket, const UniqueFd& content, const std::filesystem::path& file,
                     std::uint64_t size, Instant deadline) {
  std::vector<std::uint8_t> buffer(chunk_bytes / 4);
  for (std::uint64_t offset = 0; offset < size;) {
    const std::size_t length =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - offset));
    if (!read_exactly_at(content.get(), {buffer.data(), length}, offset, file))
      throw Error(ErrorKind::failed, "the file became shorter");
    send_all(socket, {reinterpret_cast<const char*>(buffer.data()), length},
             [&] { return std::chrono::steady_clock::now() > deadline; });
    offset += length;
  }
}

/// Starts the links' threads; joined, whatever happens, when it goes.
class Chain {
 public:
  Chain(std::vector<ChainLink>& links, std::uint64_t size, Instant deadline) : deadline_(deadline) {
    for (ChainLink& link : links)
      threads_.emplace_back([this, &link, size] {
        link.run(size, stopping_);
        ++ended_;
      });
  }
  ~Chain() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  void wait() const {
    while (ended_ < threads_.size() && std::chrono::steady_clock::now() < deadline_)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

 private:
  Instant deadline_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> ended_{0};
  std::vector<std::thread> threads_;
};

}  // namespace

std::vector<Duration> chain_copy(Lab& lab, const std::vector<std::size_t>& hosts,
                                 const std::filesystem::path& file, Duration limit) {
  if (hosts.size() < 2) return {};
  const UniqueFd content = open_file(file, O_RDONLY);
  const std::uint64_t size = file_size(content.get(), file);
  const Instant start = std::chrono::steady_clock::now();
  std::vector<ChainLink> links(hosts.size() - 1);
  UniqueFd first;
  for (std::size_t i = 0; i < links.size(); ++i) {
    links[i].host = hosts[i + 1];
    auto [sending, receiving] = connection(lab, hosts[i], hosts[i + 1]);
    links[i].in = std::move(receiving);
    (i == 0 ? first : links[i - 1].out) = std::move(sending);
  }
  {
    const Chain chain(links, size, start + limit);
    try {
      send_whole_file(first.get(), content, file, size, start + limit);
    } catch (const Error& error) {
      throw Error(ErrorKind::failed, fmt::format("cannot copy {} down a chain from host {}: {}",
                                                 printable(file.native()), hosts[0], error.what()));
    }
    chain.wait();
  }
  std::vector<Duration> times;
  for (const ChainLink& link : links) {
    if (link.failure) std::rethrow_exception(link.failure);
    times.push_back(std::max(Duration::zero(), link.done - start));
  }
  return times;
}

Duration plain_copy(Lab& lab, std::size_t from, std::size_t to, const std::filesystem::path& file,
                    Duration limit) {
  return fan_out_copy(lab, from, {to}, file, limit);
}

}  // namespace murder::lab
