#include "node/control_socket.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "host/layout.hpp"

namespace murder::node {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

constexpr std::size_t longest_name = 80;  ///< with "/proc/self/fd/N/" before it in 107 bytes
constexpr std::size_t read_bytes = 1u << 18;
constexpr auto drain_patience = std::chrono::seconds(1);
constexpr int backlog = 16;

UniqueFd new_socket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw_system_error("cannot make", "a local socket", errno);
  return fd;
}

/// The address by way of the opened folder: never by a path, which may be longer than an address
/// can be, and may lead elsewhere by now.
sockaddr_un address_of(const UniqueFd& folder, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", folder.get(), name);
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

int connect_to(const UniqueFd& socket, const sockaddr_un& address) {
  int result = -1;
  do {
    result = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

bool proc_is_there(const UniqueFd& folder) {
  return ::access(fmt::format("/proc/self/fd/{}", folder.get()).c_str(), F_OK) == 0;
}

std::string shown(const Destination& destination, const std::string& name) {
  return layout::shown(destination, fmt::format("{}/{}", layout::transfers, name));
}

void require_proc(const UniqueFd& folder, const std::string& path) {
  if (!proc_is_there(folder))
    throw Error(ErrorKind::failed,
                fmt::format("cannot reach {}: /proc is not mounted; mount it", path));
}

UniqueFd open_transfers(const Destination& destination) {
  const UniqueFd own = layout::open_folder(destination, layout::own);
  const std::string name = std::string(layout::transfers).substr(std::strlen(layout::own) + 1);
  if (::mkdirat(own.get(), name.c_str(), 0700) != 0 && errno != EEXIST)
    throw_system_error("cannot create", layout::shown(destination, layout::transfers), errno);
  return layout::open_folder(destination, layout::transfers);
}

bool may_control(int socket) {
  ucred who{};
  socklen_t size = sizeof who;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
         (who.uid == 0 || who.uid == ::geteuid());
}

}  // namespace

std::string control_socket_name(const std::string& tag) {
  std::string name = tag + ".sock";
  // No tag has a "~" in it.
  return name.size() <= longest_name ? name : "~" + sha256(tag).hex() + ".sock";
}

UniqueFd connect_control_socket(const Destination& destination, const std::string& tag) {
  const std::string name = control_socket_name(tag);
  const UniqueFd own = layout::open_folder(destination, layout::own);
  struct stat st {};
  const std::string below = std::string(layout::transfers).substr(std::strlen(layout::own) + 1);
  if (::fstatat(own.get(), below.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
    return UniqueFd();
  const UniqueFd folder = layout::open_folder(destination, layout::transfers);
  UniqueFd socket = new_socket();
  const int error = connect_to(socket, address_of(folder, name));
  if (error == 0) return socket;
  require_proc(folder, shown(destination, name));
  if (error == ENOENT || error == ECONNREFUSED) return UniqueFd();
  throw_system_error("cannot connect to", shown(destination, name), error);
}

struct ControlSocket::Impl : std::enable_shared_from_this<Impl> {
  /// One controller.
  struct Controller : std::enable_shared_from_this<Controller> {
    Controller(Impl& the_owner, Socket the_socket)
        : owner(the_owner), socket(std::move(the_socket)) {}

    void read() {
      if (gone || reading) return;
      reading = true;
      socket.async_read_some(asio::buffer(input),
                             [self = shared_from_this()](const auto& error, std::size_t bytes) {
                               self->reading = false;
                               if (self->gone) return;
                               if (error) return self->leave();
                               self->take(std::span(self->input).first(bytes));
                             });
    }
    void take(std::span<const std::uint8_t> bytes) {
      try {
        frames.add(bytes);
        go_on();
      } catch (const Error&) {
        leave();  // no frame: nothing that it says can be understood any more
      }
    }
    /// What was read already, then what comes.
    void go_on() {
      while (!gone && !owner.handler.is_full()) {
        auto order = frames.next();
        if (!order) return read();
        owner.handler.on_order(std::move(*order), [weak = weak_from_this()](auto json, auto bytes) {
          if (const auto self = weak.lock()) self->say(json, bytes);
        });
      }
    }
    void say(std::string_view json, std::span<const std::uint8_t> attachment = {}) {
      if (gone) return;
      waiting.push_back(orders::encode_frame(json, attachment));
      waiting_bytes += waiting.back().size();
      if (waiting_bytes > max_waiting_bytes) return leave();
      if (waiting.size() == 1) write();
    }
    void write() {
      asio::async_write(socket, asio::buffer(waiting.front()),
                        [self = shared_from_this()](const auto& error, std::size_t) {
                          if (self->gone) return;
                          if (error) return self->leave();
                          self->waiting_bytes -= self->waiting.front().size();
                          self->waiting.pop_front();
                          if (!self->waiting.empty()) return self->write();
                          self->owner.check_drained();
                        });
    }
    void leave() {
      if (std::exchange(gone, true)) return;
      boost::system::error_code ignored;
      socket.close(ignored);
      // Not at once: its owner may be going through its controllers.
      asio::post(owner.io, [weak = owner.weak_from_this()] {
        if (const auto owner = weak.lock()) owner->sweep();
      });
    }

    Impl& owner;
    Socket socket;
    std::array<std::uint8_t, read_bytes> input{};
    orders::FrameReader frames;
    std::deque<std::string> waiting;
    std::size_t waiting_bytes = 0;
    bool reading = false;
    bool gone = false;
  };

  Impl(asio::io_context& the_io, const Destination& destination, const std::string& tag,
       Handler& the_handler)
      : io(the_io),
        handler(the_handler),
        folder(open_transfers(destination)),
        name(control_socket_name(tag)),
        acceptor(the_io),
        timer(the_io) {
    const std::string path = shown(destination, name);
    const sockaddr_un address = address_of(folder, name);
    remove_stale(address, destination, tag);
    UniqueFd listening = new_socket();
    // The file gets the socket's own mode.
    if (::fchmod(listening.get(), 0600) != 0 ||
        ::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      const int error = errno;
      require_proc(folder, path);
      throw_system_error("cannot make", path, error);
    }
    if (::listen(listening.get(), backlog) != 0)
      throw_system_error("cannot listen on", path, errno);
    acceptor.assign(asio::local::stream_protocol(), listening.release());
  }

  void remove_stale(const sockaddr_un& address, const Destination& destination,
                    const std::string& tag) {
    const UniqueFd probe = new_socket();
    ::fcntl(probe.get(), F_SETFL, O_NONBLOCK);
    const int error = connect_to(probe, address);
    if (error == ENOENT) return;
    if (error == ECONNREFUSED) {
      ::unlinkat(folder.get(), name.c_str(), 0);
      return;
    }
    if (error == 0 || error == EAGAIN)
      throw Error(ErrorKind::failed,
                  fmt::format("{} of {} is in use by another process, which fetches or serves it; "
                              "wait for it or end it",
                              tag, destination.path().native()));
    throw_system_error("cannot connect to", shown(destination, name), error);
  }

  void accept() {
    acceptor.async_accept([self = shared_from_this()](const auto& error, Socket socket) {
      if (self->closed || error == asio::error::operation_aborted) return;
      if (!error) self->welcome(std::move(socket));
      self->accept();
    });
  }

  void welcome(Socket socket) {
    if (!may_control(socket.native_handle()) || controllers.size() >= max_controllers) return;
    anybody_came = true;
    const auto controller = std::make_shared<Controller>(*this, std::move(socket));
    controllers.push_back(controller);
    for (const std::string& json : handler.greeting()) controller->say(json);
    controller->go_on();
  }

  void sweep() {
    std::erase_if(controllers, [](const auto& controller) { return controller->gone; });
    check_drained();
  }

  void check_drained() {
    if (!drained || !anybody_came) return;
    for (const auto& controller : controllers)
      if (!controller->waiting.empty() && !controller->gone) return;
    end_drain();
  }

  void end_drain() {
    timer.cancel();
    // Its owner may destroy this from there.
    if (const auto done = std::exchange(drained, nullptr)) asio::post(io, done);
  }

  void close() {
    closed = true;
    drained = nullptr;
    // Before it is closed: what another process puts there from then on is not ours.
    ::unlinkat(folder.get(), name.c_str(), 0);
    boost::system::error_code ignored;
    acceptor.close(ignored);
    timer.cancel();
    for (const auto& controller : controllers) {
      controller->gone = true;
      controller->socket.close(ignored);
    }
    controllers.clear();
  }

  asio::io_context& io;
  Handler& handler;
  UniqueFd folder;
  std::string name;
  asio::local::stream_protocol::acceptor acceptor;
  asio::steady_timer timer;
  std::vector<std::shared_ptr<Controller>> controllers;
  std::function<void()> drained;
  bool anybody_came = false;
  bool closed = false;
};

ControlSocket::ControlSocket(asio::io_context& io, const Destination& destination,
                             const std::string& tag, Handler& handler)
    : impl_(std::make_shared<Impl>(io, destination, tag, handler)) {
  impl_->accept();
}

ControlSocket::~ControlSocket() { impl_->close(); }

void ControlSocket::tell(std::string_view json) {
  for (std::size_t i = 0; i < impl_->controllers.size(); ++i) impl_->controllers[i]->say(json);
}

void ControlSocket::resume() {
  const auto controllers = impl_->controllers;
  for (const auto& controller : controllers) controller->go_on();
}

void ControlSocket::drain(std::chrono::nanoseconds patience, std::function<void()> done) {
  impl_->drained = std::move(done);
  impl_->timer.expires_after(impl_->anybody_came ? drain_patience : patience);
  impl_->timer.async_wait([weak = impl_->weak_from_this()](const auto& error) {
    if (const auto self = weak.lock(); self && !error) self->end_drain();
  });
  impl_->check_drained();
}

}  // namespace murder::node
