// Hosts with a real sshd. What they share is the machine's own system; a host's own are its disk,
// its user's home, /tmp, /var/tmp, /etc/ssh, and as root /run and the line of /etc/shadow by which
// sshd knows that root is not locked. sshd is the host's first process.
#include "lab/ssh_hosts.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <set>
#include <sstream>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "lab/own_files.hpp"
#include "lab/processes.hpp"
#include "lab/spawner.hpp"

namespace murder::lab {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds patience{60};
constexpr std::chrono::milliseconds pause_between_looks{3};
constexpr std::uint16_t ssh_port = 22;
constexpr int log_flags = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND;

/// The last two, in which programs say what was wrong.
std::string last_lines(const std::string& text) {
  std::istringstream lines(text);
  std::string before;
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == '.')) line.pop_back();
    if (line.empty()) continue;
    before = std::exchange(last, line);
  }
  return printable(before.empty() ? last : before + "; " + last);
}

/// The port of ssh where the address is the host's own, else one that is free: of loopback
/// addresses every lab on the machine has the use, and somebody may be faster in taking it.
std::uint16_t free_port(const IpAddress& address) {
  const bool is_shared = address.v4_bytes()[0] == 127;
  for (const std::uint16_t wanted : {is_shared ? std::uint16_t{0} : ssh_port, std::uint16_t{0}}) {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int yes = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(wanted);
    const auto bytes = address.v4_bytes();
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::uint8_t*>(&name.sin_addr));
    socklen_t length = sizeof name;
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&name), length) != 0) continue;
    if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &length) == 0)
      return ntohs(name.sin_port);
  }
  throw_system_error("cannot take a port of", address.to_string(), errno);
}

}  // namespace

bool SshHosts::can_be_made(std::string* why_not) {
  std::string reason;
  for (const auto& [program, package] :
       {std::pair{"sshd", "openssh-server"}, std::pair{"ssh", "openssh-client"},
        std::pair{"ssh-keygen", "openssh-client"}})
    if (find_program(program).empty())
      reason = fmt::format("{} is missing (package {})", program, package);
  if (why_not != nullptr) *why_not = reason;
  return reason.empty();
}

SshHosts::SshHosts(Lab& lab, const SshHostsOptions& options) : lab_(lab), options_(options) {
  if (lab.host_count() < 2)
    throw Error(ErrorKind::usage, "cannot make hosts with sshd: the lab has only host 0");
  if (std::string why_not; !can_be_made(&why_not))
    throw Error(ErrorKind::failed, fmt::format("cannot make hosts with sshd: {}", why_not));
  options_.folder = fs::absolute(options.folder);
  user_ = calling_user();
  const std::size_t count = lab.host_count() - 1;
  const std::size_t width = std::max<std::size_t>(2, fmt::formatted_size("{}", count));
  for (std::size_t i = 1; i <= count; ++i) {
    Host host;
    host.name = fmt::format("host-{:0{}}", i, width);
    host.number = i;
    host.folder = options_.folder / "hosts" / host.name;
    make_folders(host);
    hosts_.push_back(std::move(host));
  }
  if (!options.own_files || !can_have_own_files()) disk_.clear();
  make_keys();
  try {
    std::vector<Host*> all;
    for (Host& host : hosts_) {
      launch(host);
      all.push_back(&host);
    }
    wait_until_up(all, true);
    write_ssh_config();
  } catch (...) {
    switch_off(hosts_);
    throw;
  }
}

SshHosts::~SshHosts() { switch_off(hosts_); }

const SshHosts::Host& SshHosts::at(std::size_t host) const {
  if (host < 1 || host > hosts_.size())
    throw Error(ErrorKind::failed,
                fmt::format("there is no host {} with sshd, only 1 to {}", host, hosts_.size()));
  return hosts_[host - 1];
}

bool SshHosts::can_have_own_files() {
  // A place that every system has and that is not where all of this lies.
  for (const char* const place : {"/srv", "/mnt", "/opt"})
    if (disk_.empty() && fs::is_directory(place) && !lies_in(options_.folder, place)) disk_ = place;
  return !disk_.empty() && run_first(hosts_.front(), {"true"}).wait() == 0;
}

Process SshHosts::run_first(const Host& host, const std::vector<std::string>& argv) {
  const UniqueFd log = open_file(host.folder / "boot.log", log_flags, 0600);
  if (disk_.empty()) return lab_.spawn(host.number, argv, log.get(), log.get());
  std::vector<OwnPlace> places{{host.folder / "ssh", "/etc/ssh"},
                               {host.folder / "disk", disk_},
                               {host.folder / "home", user_.home},
                               {host.folder / "vartmp", "/var/tmp"},
                               {host.folder / "tmp", "/tmp"}};
  if (::geteuid() == 0) {
    places.push_back({host.folder / "shadow", "/etc/shadow"});
    places.push_back({host.folder / "run", "/run"});
  }
  // A home in /tmp, say: better a shared /tmp than no home.
  const auto hides_another = [all = places](const OwnPlace& place) {
    return std::ranges::any_of(all, [&](const OwnPlace& other) {
      return other.place != place.place && lies_in(other.place, place.place);
    });
  };
  std::erase_if(places, [&](const OwnPlace& place) {
    return !fs::exists(place.place) || hides_another(place);
  });
  return lab_.spawn(host.number, first_process_command(host.name, std::move(places), argv),
                    log.get(), log.get());
}

void SshHosts::launch(Host& host) {
  if (host.port == 0)
    lab_.on_host(host.number, [&] { host.port = free_port(lab_.address(host.number)); });
  if (::geteuid() == 0 && !have_own_files()) {
    std::error_code there_or_sshd_says_so;
    fs::create_directory("/run/sshd", there_or_sshd_says_so);
  }
  write_file_atomically(host.folder / "ssh" / "sshd_config", sshd_config(host));
  open_file(host.folder / "ssh" / "log", log_flags, 0600);
  const fs::path folder = have_own_files() ? "/etc/ssh" : host.folder / "ssh";
  host.process =
      run_first(host, {find_program("sshd"), "-D", "-f", (folder / "sshd_config").native(), "-E",
                       (folder / "log").native()});
}

void SshHosts::wait_until_up(const std::vector<Host*>& hosts, bool may_move) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  constexpr int most_moves = 10;
  for (Host* const host : hosts) {
    for (int moves = 0;;) {
      const bool ended = host->process.poll().has_value();  // asked first: its log is read below
      const std::string log = read_file(host->folder / "ssh" / "log");
      if (!ended && log.find("Server listening on") != std::string::npos) break;
      if (ended && may_move && moves < most_moves &&
          log.find("Address already in use") != std::string::npos) {
        ++moves;
        host->port = 0;
        launch(*host);
        continue;
      }
      const bool late = std::chrono::steady_clock::now() > deadline;
      if (ended || late)
        throw Error(ErrorKind::failed,
                    fmt::format("cannot start sshd on {}: {}", host->name,
                                late ? "it does not listen within a minute"
                                     : last_lines(read_file(host->folder / "boot.log") + log)));
      std::this_thread::sleep_for(pause_between_looks);
    }
  }
}

std::string SshHosts::ssh_command() const { return "ssh -F " + ssh_config_.native(); }

fs::path SshHosts::dest(std::size_t host) const {
  return have_own_files() ? disk_ / "app" : dest_from_outside(host);
}

fs::path SshHosts::dest_from_outside(std::size_t host) const {
  return at(host).folder / "disk" / "app";
}

fs::path SshHosts::home_from_outside(std::size_t host) const { return at(host).folder / "home"; }

void SshHosts::stop(std::size_t host) {
  at(host);
  lab_.unplug(host);
  switch_off(std::span(hosts_).subspan(host - 1, 1));
}

void SshHosts::start(std::size_t host) {
  at(host);
  Host& stopped = hosts_[host - 1];
  if (!stopped.process.poll()) return;
  lab_.plug_in(host);
  launch(stopped);
  wait_until_up({&stopped}, false);
}

void SshHosts::kill_all_on(Host& host) {
  const pid_t own = host.process.pid();
  if (have_own_files()) {
    const pid_t first = first_process_of(read_file(host.folder / "boot.log"));
    if (first <= 0 || ::kill(first, SIGKILL) != 0) host.process.signal(SIGKILL);
    return;
  }
  // sshd's sessions are its descendants; what they left running has their environment.
  host.process.signal(SIGSTOP);
  std::set<pid_t> sessions{own};
  const std::string mark = "LAB_HOST=" + host.folder.native();
  kill_all([&](pid_t pid) {
    const pid_t parent = parent_of(pid);
    if (pid == own || parent == 0) return false;
    if (sessions.contains(parent)) sessions.insert(pid);
    return sessions.contains(pid) || has_in_environment(pid, mark);
  });
  host.process.signal(SIGKILL);
}

void SshHosts::switch_off(std::span<Host> hosts) noexcept {
  for (Host& host : hosts) try {
      if (host.process.pid() > 0 && !host.process.poll()) kill_all_on(host);
    } catch (const Error&) {  // somebody else reaped it: it is gone
    }
  // What waits for a host's first process ends when nothing of the host is left.
  for (Host& host : hosts) try {
      if (host.process.pid() > 0) host.process.wait();
    } catch (const Error&) {
    }
}

}  // namespace murder::lab
