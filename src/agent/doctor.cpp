#include "agent/doctor.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <sched.h>
#include <sstream>
#include <string_view>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "host/destination.hpp"
#include "host/layout.hpp"
#include "host/stager.hpp"
#include "host/staging_folder.hpp"
#include "net/connector.hpp"

namespace murder::agent {
namespace {

namespace fs = std::filesystem;

/// Sockets that a probe holds at a time.
constexpr std::size_t probes_at_once = 200;

std::uint64_t descriptor_limit() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? std::uint64_t{limit.rlim_cur} : 0;
}

/// 0: none.
std::uint64_t file_size_limit() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
             ? std::uint64_t{limit.rlim_cur}
             : 0;
}

/// Without asking a directory service: a static binary cannot.
std::string own_user() {
  for (const char* name : {"USER", "LOGNAME"})
    if (const char* user = std::getenv(name); user != nullptr && *user != '\0') return user;
  return fmt::format("uid {}", ::geteuid());
}

std::string own_host_name() {
  char name[HOST_NAME_MAX + 1] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

/// The value of "KEY=value" or "KEY: value" in a file of such lines.
std::string value_in(const char* path, std::string_view key, char separator) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != separator)
      continue;
    std::string value = line.substr(key.size() + 1);
    value.erase(0, value.find_first_not_of(" \t\""));
    value.erase(value.find_last_not_of(" \t\"") + 1);
    return value;
  }
  return {};
}

std::uint64_t available_memory() {
  const std::string kilobytes = value_in("/proc/meminfo", "MemAvailable", ':');
  return std::strtoull(kilobytes.c_str(), nullptr, 10) << 10;
}

std::uint32_t processors() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 0;
  return static_cast<std::uint32_t>(CPU_COUNT(&set));
}

bool in_path(std::string_view program) {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path file = fs::path(folder) / program;
    struct stat st {};
    if (::stat(file.c_str(), &st) == 0 && S_ISREG(st.st_mode) && ::access(file.c_str(), X_OK) == 0)
      return true;
  }
  return false;
}

/// mountinfo writes spaces and the like as \040.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out.push_back(
          static_cast<char>(std::strtol(std::string(text.substr(i + 1, 3)).c_str(), nullptr, 8)));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

/// Of the mount with the longest name that `path` is below; a later one covers an earlier one.
std::string filesystem_of(const fs::path& path) {
  std::ifstream file("/proc/self/mountinfo");
  std::string best;
  std::size_t best_length = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string ignored;
    std::string mount_point;
    fields >> ignored >> ignored >> ignored >> ignored >> mount_point;
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    mount_point = unescaped(mount_point);
    const std::string below = mount_point == "/" ? "/" : mount_point + "/";
    if (path != mount_point && !path.native().starts_with(below)) continue;
    if (mount_point.size() < best_length) continue;
    best_length = mount_point.size();
    best = line.substr(dash + 3, line.find(' ', dash + 3) - dash - 3);
  }
  return best;
}

/// The folder itself, or the one that it would be made in.
fs::path nearest_existing(fs::path path) {
  struct stat st {};
  while (path.has_relative_path() && ::stat(path.c_str(), &st) != 0) path = path.parent_path();
  return path;
}

std::string write_problem(const fs::path& folder) {
  struct stat st {};
  if (::stat(folder.c_str(), &st) != 0)
    return fmt::format("cannot look at {}: {}", printable(folder.native()), system_reason(errno));
  if (!S_ISDIR(st.st_mode))
    return fmt::format("{} is no folder; name another destination or move it away",
                       printable(folder.native()));
  if (::eaccess(folder.c_str(), W_OK | X_OK) != 0)
    return fmt::format(
        "cannot write into {}: {}; it belongs to uid {}, mode {:04o}: chown it, or "
        "use --sudo",
        printable(folder.native()), system_reason(errno), st.st_uid, st.st_mode & 07777);
  return {};
}

std::string dest_problem(const fs::path& dest, const fs::path& existing) {
  if (std::string problem = write_problem(existing); !problem.empty()) return problem;
  if (existing != dest) return {};
  for (const char* folder : {layout::releases, layout::own, layout::packs, layout::manifests}) {
    struct stat st {};
    if (::stat((dest / folder).c_str(), &st) != 0 && errno == ENOENT) continue;
    if (std::string problem = write_problem(dest / folder); !problem.empty()) return problem;
  }
  return {};
}

/// What the live release took: a measure for the next one.
void measure_live(const fs::path& dest, orders::Examined& examined) {
  try {
    const Destination destination = Destination::open(dest, Destination::Mode::existing);
    const std::string live = destination.current_tag().value_or("");
    examined.live = live;
    const auto manifest = live.empty() ? std::nullopt : kept_manifest(destination, live);
    if (!manifest) return;
    std::error_code ec;
    const std::uint64_t pack = fs::file_size(destination.pack_path(live), ec);
    const std::uint64_t both = tree_bytes_on_disk(*manifest) + (ec ? 0 : pack);
    examined.live_bytes = both + both / 20;
    examined.live_entries = manifest->entries.size();
  } catch (const Error&) {
    // Nothing was staged there yet, or it cannot be read: then there is no measure.
  }
}

/// Tries endpoints, some at a time, on a loop of its own.
class Prober {
 public:
  Prober(const orders::Probe& order, const std::stop_token& stop)
      : timeout_(std::chrono::milliseconds(order.timeout_ms)),
        stopper_(stop, [this] { io_.stop(); }) {
    for (const std::string& endpoint : order.endpoints)
      results_.push_back({endpoint, false, 0, "not tried"});
  }

  orders::Probed run() {
    for (std::size_t i = 0; i < probes_at_once; ++i) begin_next();
    io_.run();
    return {std::move(results_)};
  }

 private:
  void begin_next() {
    std::optional<Endpoint> endpoint;
    std::size_t index = 0;
    while (!endpoint) {
      if (next_ >= results_.size()) return;
      index = next_++;
      endpoint = Endpoint::parse(results_[index].endpoint);
      if (!endpoint) results_[index].reason = "not ADDRESS:PORT";
    }
    const Instant began = std::chrono::steady_clock::now();
    net::Connector::start(io_, *endpoint, IpAddress(), timeout_,
                          [this, index, began](boost::asio::ip::tcp::socket, std::string reason) {
                            auto& result = results_[index];
                            result.ok = reason.empty();
                            result.reason = std::move(reason);
                            result.milliseconds =
                                1000 * to_seconds(std::chrono::steady_clock::now() - began);
                            begin_next();
                          });
  }

  boost::asio::io_context io_{1};
  Duration timeout_;
  std::stop_callback<std::function<void()>> stopper_;
  std::vector<orders::Probed::Result> results_;
  std::size_t next_ = 0;
};

enum class Side { client, server };

/// Of $SSH_CONNECTION, "CLIENT PORT SERVER PORT"; empty when it has no address there.
std::string side_of_connection(Side side) {
  const char* const connection = std::getenv("SSH_CONNECTION");
  if (connection == nullptr) return {};
  std::istringstream fields(connection);
  std::string client;
  std::string port;
  std::string server;
  fields >> client >> port >> server;
  const std::string& chosen = side == Side::client ? client : server;
  const auto address = IpAddress::parse(chosen.substr(0, chosen.find('%')));
  return address ? address->to_string() : std::string();
}

}  // namespace

std::string own_address() { return side_of_connection(Side::server); }

std::string client_address() { return side_of_connection(Side::client); }

orders::Hello hello() {
  orders::Hello hello;
  hello.protocol = orders::protocol;
  hello.version = MURDER_VERSION;
  utsname system{};
  if (::uname(&system) == 0) hello.machine = system.machine;
  hello.host_name = own_host_name();
  hello.user = own_user();
  hello.address = own_address();
  hello.client = client_address();
  hello.clock_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  hello.descriptors = descriptor_limit();
  return hello;
}

orders::Examined examine(const orders::Examine& order, const fs::path& executable) {
  if (order.dest.empty()) throw Error(ErrorKind::usage, "the destination is empty");
  fs::path dest = fs::absolute(order.dest).lexically_normal();
  if (!dest.has_filename()) dest = dest.parent_path();
  const fs::path existing = nearest_existing(dest);
  orders::Examined examined;
  examined.dest_problem = dest_problem(dest, existing);
  std::error_code ec;
  const fs::path real = fs::canonical(existing, ec);
  examined.filesystem = filesystem_of(ec ? existing : real);
  struct statvfs st {};
  if (::statvfs(existing.c_str(), &st) == 0) {
    examined.free_bytes = std::uint64_t{st.f_bavail} * st.f_frsize;
    // Filesystems without a table of inodes say that there are none.
    examined.free_inodes =
        st.f_files == 0 ? std::numeric_limits<std::uint64_t>::max() : std::uint64_t{st.f_favail};
    examined.noexec = (st.f_flag & ST_NOEXEC) != 0;
    if ((st.f_flag & ST_RDONLY) != 0)
      examined.dest_problem =
          fmt::format("the filesystem of {} is mounted read-only; mount it for writing",
                      printable(existing.native()));
  }
  measure_live(dest, examined);
  examined.descriptors = descriptor_limit();
  examined.file_bytes = file_size_limit();
  examined.memory_bytes = available_memory();
  examined.processors = processors();
  utsname system{};
  if (::uname(&system) == 0) examined.kernel = system.release;
  examined.system = value_in("/etc/os-release", "PRETTY_NAME", '=');
  for (const char* program : {"curl", "wget", "bash"})
    if (in_path(program)) examined.fetchers.emplace_back(program);
  examined.binary_path = executable.native();
  return examined;
}

orders::Probed probe(const orders::Probe& order, const std::stop_token& stop) {
  return Prober(order, stop).run();
}

}  // namespace murder::agent
