#include "agent/deploy_folder.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "agent/doctor.hpp"
#include "agent/log_tail.hpp"
#include "base/endpoint.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/gzip.hpp"
#include "base/port_range.hpp"
#include "base/units.hpp"
#include "bittorrent/metainfo.hpp"
#include "host/beneath.hpp"
#include "host/spawn.hpp"
#include "net/socket.hpp"

namespace murder::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view folder_prefix = "deploy-";
constexpr Duration look_every = std::chrono::milliseconds(5);
constexpr Duration patience_with_start = std::chrono::seconds(20);
/// A folder that somebody is just making has no locked lock in it yet.
constexpr std::int64_t youngest_stale_s = 600;

constexpr std::uint16_t usual_port = 8998;

fs::path folder_of(const std::string& deploy, const fs::path& state) {
  if (!is_valid_tag(deploy))
    throw Error(ErrorKind::usage, fmt::format("\"{}\" cannot be a deploy's id", printable(deploy)));
  return state / (std::string(folder_prefix) + deploy);
}

void make_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    throw_system_error("cannot create", folder.native(), errno);
}

bool is_ours(const fs::path& folder) {
  struct stat st {};
  return ::lstat(folder.c_str(), &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == ::geteuid() &&
         ::access(folder.c_str(), W_OK | X_OK) == 0;
}

/// Held by the tracker that was given a copy of the descriptor, and by whoever starts one.
std::optional<UniqueFd> try_to_lock(const fs::path& folder) {
  UniqueFd fd = open_file(folder / "lock", O_RDWR | O_CREAT, 0600);
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    if (errno != EINTR) throw_system_error("cannot lock", (folder / "lock").native(), errno);
  }
  return fd;
}

/// Of trackers that have ended.
void remove_stale_folders(const fs::path& state, const fs::path& but) {
  const UniqueFd parent(::open(state.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::vector<FolderItem> items;
  if (!parent || !list_folder(parent.get(), items)) return;
  for (const FolderItem& item : items) {
    const fs::path folder = state / item.name;
    struct stat st {};
    if (!item.name.starts_with(folder_prefix) || folder == but || !is_ours(folder) ||
        ::lstat(folder.c_str(), &st) != 0 ||
        std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()) - st.st_mtime <
            youngest_stale_s)
      continue;
    try {
      // Held until it is gone.
      if (const auto lock = try_to_lock(folder)) remove_tree(parent.get(), item.name);
    } catch (const Error&) {
      continue;  // not worth failing a deploy for
    }
  }
}

/// What the tracker's log says that it listens at.
std::optional<Endpoint> endpoint_in(const std::string& log) {
  for (std::size_t begin = 0; begin < log.size();) {
    const std::size_t end = log.find('\n', begin);
    if (end == std::string::npos) break;  // half written
    const auto line =
        nlohmann::json::parse(log.begin() + static_cast<std::ptrdiff_t>(begin),
                              log.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (line.is_object() && line.value("event", "") == "listening")
      return Endpoint::parse(line.value("endpoint", ""));
    begin = end + 1;
  }
  return std::nullopt;
}

/// By which others reach the tracker.
IpAddress public_address(const orders::Tracker& order) {
  const std::string text = order.address.empty() ? own_address() : order.address;
  if (text.empty())
    throw Error(ErrorKind::usage,
                "it is not known at which address other hosts reach this one, for $SSH_CONNECTION "
                "is not set; name one with addr=");
  const auto address = IpAddress::parse(text);
  if (!address || address->is_unspecified())
    throw Error(ErrorKind::usage,
                fmt::format("\"{}\" is no address by which others reach a host", printable(text)));
  return *address;
}

IpAddress any_address(const IpAddress& like) {
  return like.is_v4() ? IpAddress::v4({0, 0, 0, 0}) : IpAddress::v6({});
}

constexpr PortRange other_ports{9030, 9060};

std::vector<std::uint16_t> ports_of(const PortRange& wanted) {
  const PortRange& range = wanted.is_named() ? wanted : other_ports;
  std::vector<std::uint16_t> ports;
  if (!wanted.is_named()) ports.push_back(usual_port);
  for (unsigned i = 0; i < range.count(); ++i)
    ports.push_back(static_cast<std::uint16_t>(range.first + i));
  return ports;
}

orders::TrackerRuns urls(const IpAddress& address, std::uint16_t port) {
  const std::string at = Endpoint{address, port}.to_string();
  return {fmt::format("http://{}/announce", at), fmt::format("http://{}/files/", at)};
}

class Starter {
 public:
  Starter(const orders::Tracker& order, const DeployPlace& place, const std::stop_token& stop)
      : order_(order),
        place_(place),
        stop_(stop),
        folder_(folder_of(order.deploy, place.state)),
        address_(public_address(order)) {}

  StartedTracker run() {
    remove_stale_folders(place_.state, folder_);
    make_folder(folder_);
    make_folder(folder_ / "files");
    const Instant deadline = std::chrono::steady_clock::now() + patience_with_start;
    while (std::chrono::steady_clock::now() < deadline && !stop_.stop_requested()) {
      if (const auto lock = try_to_lock(folder_)) {
        const Endpoint endpoint = start(lock->get());
        return {urls(address_, endpoint.port), tracker_};
      }
      // One runs, or another session is just starting it.
      if (const auto endpoint = endpoint_in(log()))
        return {urls(address_, endpoint->port), std::nullopt};
      std::this_thread::sleep_for(look_every);
    }
    throw Error(ErrorKind::failed,
                fmt::format("the tracker of deploy {} runs here and does not say where it listens; "
                            "see {}",
                            order_.deploy, (folder_ / "log").native()));
  }

 private:
  std::string log() const {
    const UniqueFd fd(::open((folder_ / "log").c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    return fd && read_all(fd.get(), text) ? text : std::string();
  }

  Endpoint start(int lock) {
    const IpAddress listen = address_to_listen_on(address_);
    std::string last;
    const std::vector<std::uint16_t> ports = ports_of(parse_port_range(order_.ports, "ports"));
    for (const std::uint16_t port : ports) {
      net::SocketResult free = net::open_listening_socket({listen, port});
      if (free.error == EADDRINUSE) continue;
      if (free.error != 0)
        throw_system_error("cannot listen on", Endpoint{listen, port}.to_string(), free.error);
      free.fd.reset();
      if (const auto endpoint = start_at({listen, port}, lock, last)) return *endpoint;
    }
    throw Error(ErrorKind::failed,
                last.empty()
                    ? fmt::format("no port is free for the tracker on {}: {} to {} are in use",
                                  listen.to_string(), ports.front(), ports.back())
                    : fmt::format("the tracker does not start: {}", last));
  }

  /// nullopt: it ended, saying `why`; somebody may have taken the port in that instant.
  std::optional<Endpoint> start_at(const Endpoint& at, int lock, std::string& why) {
    const UniqueFd log_file =
        open_file(folder_ / "log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    std::vector<std::string> argv{"murder",           "tracker",
                                  "--listen",         at.to_string(),
                                  "--files",          (folder_ / "files").native(),
                                  "--no-config",      "--json",
                                  "--exit-when-idle", fmt::format("{}s", order_.idle_s)};
    if (order_.expect > 0) {
      argv.emplace_back("--expect");
      argv.push_back(std::to_string(order_.expect));
    }
    tracker_ = spawn({.program = place_.executable.native(),
                      .argv = std::move(argv),
                      .output = log_file.get(),
                      .keep = lock});
    const Instant deadline = std::chrono::steady_clock::now() + patience_with_start;
    while (std::chrono::steady_clock::now() < deadline && !stop_.stop_requested()) {
      if (const auto endpoint = endpoint_in(log())) return endpoint;
      if (const auto status = reap(tracker_)) {
        why = last_words(log());
        if (why.empty()) why = describe_status(*status);
        return std::nullopt;
      }
      std::this_thread::sleep_for(look_every);
    }
    ::kill(tracker_, SIGTERM);
    throw Error(ErrorKind::failed, fmt::format("the tracker does not come to listen; see {}",
                                               (folder_ / "log").native()));
  }

  const orders::Tracker& order_;
  const DeployPlace& place_;
  const std::stop_token& stop_;
  const fs::path folder_;
  const IpAddress address_;
  pid_t tracker_ = -1;
};

}  // namespace

IpAddress address_to_listen_on(const IpAddress& address) {
  return net::open_listening_socket({address, 0}).error == 0 ? address : any_address(address);
}

fs::path default_state_folder(const fs::path& executable) {
  std::vector<fs::path> places;
  const fs::path beside = executable.parent_path();
  const bool own = std::any_of(beside.begin(), beside.end(), [](const fs::path& part) {
    return part.native().starts_with("murder") || part.native().starts_with(".murder");
  });
  if (own) places.push_back(beside);
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  const char* const home = std::getenv("HOME");
  if (cache != nullptr && *cache == '/')
    places.push_back(fs::path(cache) / "murder");
  else if (home != nullptr && *home == '/')
    places.push_back(fs::path(home) / ".cache/murder");
  places.push_back(fmt::format("/var/tmp/murder-{}", ::geteuid()));
  for (const fs::path& place : places) {
    std::error_code ec;
    fs::create_directories(place.parent_path(), ec);
    ::mkdir(place.c_str(), 0700);
    if (is_ours(place)) return place;
  }
  throw Error(ErrorKind::failed,
              fmt::format("there is no folder to keep a deploy's files in: {} cannot be written",
                          places.back().native()));
}

StartedTracker start_tracker(const orders::Tracker& order, const DeployPlace& place,
                             const std::stop_token& stop) {
  return Starter(order, place, stop).run();
}

void publish(const orders::Publish& order, std::span<const std::uint8_t> attachment,
             const DeployPlace& place) {
  const fs::path folder = folder_of(order.deploy, place.state);
  if (!is_safe_name(order.file) || order.file.ends_with('~'))
    throw Error(ErrorKind::usage,
                fmt::format("\"{}\" cannot be a file's name", printable(order.file)));
  const UniqueFd files(::open((folder / "files").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!files)
    throw Error(ErrorKind::failed,
                fmt::format("nothing can be published for deploy {}: it has no tracker here",
                            order.deploy));
  std::string content(reinterpret_cast<const char*>(attachment.data()), attachment.size());
  if (attachment.empty()) {
    if (::faccessat(files.get(), order.file.c_str(), R_OK, 0) == 0) return;  // the same as ever
    // Quickly: all hosts wait for it, and the links between them are not the thin ones.
    content = gzip(read_file(place.executable), 1);
  }
  if (!replace_file(files.get(), order.file, content, 0644))
    throw_system_error("cannot write", (folder / "files" / order.file).native(), errno);
}

}  // namespace murder::agent
