// What SshHosts writes down: the hosts' folders and keys, what sshd and ssh are to be told, the
// inventory.
#include <array>
#include <deque>
#include <fcntl.h>
#include <fmt/format.h>
#include <sstream>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "lab/ssh_hosts.hpp"

namespace murder::lab {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t keys_at_once = 16;
constexpr std::uint16_t ssh_port = 22;

bool is_loopback(const IpAddress& address) {
  constexpr std::uint8_t loopback_network = 127;
  return address.is_v4() && address.v4_bytes().front() == loopback_network;
}

bool is_root() { return ::geteuid() == 0; }

/// A value of ssh_config and sshd_config.
std::string quoted(const fs::path& path) { return fmt::format("\"{}\"", path.native()); }

}  // namespace

// Asked of a program, because not all users are in /etc/passwd, and looking for the others needs
// libraries that a static program does not have.
SshHosts::User SshHosts::calling_user() {
  const fs::path answer = options_.folder / "user";
  const std::string number = fmt::format("{}", ::geteuid());
  const UniqueFd out = open_file(answer, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int status = lab_.spawn(0, {"getent", "passwd", number}, out.get(), -1).wait();
  std::istringstream line(read_file(answer));
  std::array<std::string, 7> fields;
  for (std::string& field : fields) std::getline(line, field, ':');
  if (status != 0 || !line)
    throw Error(ErrorKind::failed,
                fmt::format("cannot make hosts to log in to: user {} has no name here", number));
  std::string& shell = fields[6];
  shell.erase(shell.find_last_not_of('\n') + 1);
  if (shell.ends_with("/nologin") || shell.ends_with("/false"))
    throw Error(ErrorKind::failed,
                fmt::format("cannot make hosts to log in to: {} may log in nowhere (its shell is "
                            "{}); run it as another user",
                            fields[0], shell));
  return {fields[0], fields[5]};
}

void SshHosts::make_folders(const Host& host) const {
  for (const char* const name : {"disk", "home", "tmp", "vartmp", "ssh"})
    fs::create_directories(host.folder / name);
  for (const char* const name : {"tmp", "vartmp"})
    fs::permissions(host.folder / name, fs::perms{01777});
  if (!is_root()) return;
  fs::create_directories(host.folder / "run" / "sshd");  // it wants an empty one
  write_file_atomically(host.folder / "shadow", user_.name + ":*:19000:0:99999:7:::\n", false,
                        0600);
}

void SshHosts::make_keys() {
  std::deque<Process> running;
  const auto finish_one = [&] {
    if (running.front().wait() != 0)
      throw Error(ErrorKind::failed,
                  fmt::format("cannot make a key in {}: ssh-keygen ended with {}",
                              printable(options_.folder.native()), running.front().wait()));
    running.pop_front();
  };
  std::vector<fs::path> paths{options_.folder / "key"};
  for (const Host& host : hosts_) paths.push_back(host.folder / "ssh" / "host_key");
  for (const fs::path& path : paths) {
    if (running.size() == keys_at_once) finish_one();
    running.push_back(lab_.spawn(
        0, {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path.native()}, -1, -1));
  }
  while (!running.empty()) finish_one();
  for (const Host& host : hosts_)
    fs::copy_file(options_.folder / "key.pub", host.folder / "ssh" / "authorized_keys",
                  fs::copy_options::overwrite_existing);
}

std::string SshHosts::sshd_config(const Host& host) const {
  const fs::path folder = have_own_files() ? "/etc/ssh" : host.folder / "ssh";
  std::string config = fmt::format(
      "Port {}\n"
      "ListenAddress {}\n"
      "LogLevel INFO\n"  // so that it says when it listens
      "{}\n"
      "HostKey {}\n"
      "AuthorizedKeysFile {}\n"
      "StrictModes no\n"  // who may write to the folders above is the caller's affair
      "UsePAM no\n"
      "PasswordAuthentication no\n"
      "KbdInteractiveAuthentication no\n"
      "PermitRootLogin yes\n"
      "PrintMotd no\n"
      "PidFile none\n",
      host.port, lab_.address(host.number).to_string(), options_.sshd_settings,
      quoted(folder / "host_key"), quoted(folder / "authorized_keys"));
  if (!have_own_files())
    config += fmt::format("SetEnv \"HOME={}\" \"TMPDIR={}\" \"LAB_HOST={}\"\n",
                          (host.folder / "home").native(), (host.folder / "tmp").native(),
                          host.folder.native());
  return config;
}

void SshHosts::write_ssh_config() {
  std::string config;
  std::string known_hosts;
  std::string inventory;
  for (const Host& host : hosts_) {
    const std::string address = lab_.address(host.number).to_string();
    const std::string key = read_file(host.folder / "ssh" / "host_key.pub");
    config += fmt::format("Host {}\n  HostName {}\n  Port {}\n", host.name, address, host.port);
    known_hosts += host.port == ssh_port ? fmt::format("{} {}", address, key)
                                         : fmt::format("[{}]:{} {}", address, host.port, key);
    inventory += host.name;
    // Hosts of one network: what listens on all its addresses would take the ports of all.
    if (is_loopback(lab_.address(host.number))) inventory += fmt::format(" addr={}", address);
    if (!have_own_files()) inventory += fmt::format(" dest={}", dest(host.number).native());
    inventory += '\n';
  }
  const fs::path known = options_.folder / "known_hosts";
  config += fmt::format(
      "Host *\n"
      "  User {}\n"
      "  IdentityFile {}\n"
      "  IdentitiesOnly yes\n"
      "  IdentityAgent none\n"
      "  UserKnownHostsFile {}\n"
      "  GlobalKnownHostsFile /dev/null\n"
      "  ControlMaster no\n",
      user_.name, quoted(options_.folder / "key"), quoted(known));
  ssh_config_ = options_.folder / "ssh_config";
  hosts_file_ = options_.folder / "hosts.txt";
  write_file_atomically(known, known_hosts);
  write_file_atomically(ssh_config_, config, false, 0600);
  write_file_atomically(hosts_file_, inventory);
}

}  // namespace murder::lab
