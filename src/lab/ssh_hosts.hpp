// Hosts of a lab as somebody meets them who has nothing but ssh: a real sshd each and a disk of its
// own, reached over the lab's network alone. For `murder demo` and the tests.
//
// Host 0 of the lab is the control machine and has no sshd; `lab.spawn(0, …)` runs there. With own
// files (a namespace of mounts and one of processes a host: as root, or where the kernel gives them
// to everybody) the same path is another folder on each host, and stopping a host ends all that
// runs on it. Without, DEST has to differ from host to host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "lab/lab.hpp"

namespace murder::lab {

struct SshHostsOptions {
  std::filesystem::path folder;    ///< exists; keys, settings, logs and the hosts' files go there
  bool own_files = true;           ///< where they can be had
  std::string sshd_settings = {};  ///< lines for every sshd_config, which win over the lab's own
};

/// One thread at a time.
class SshHosts {
 public:
  /// True when sshd, ssh and ssh-keygen are there; `why_not` says what is missing.
  static bool can_be_made(std::string* why_not = nullptr);

  /// Every sshd accepts connections when this returns; 16 hosts cost half a second of processor
  /// time. Error{failed} naming the host and the reason; nothing is left running. `lab` must
  /// outlive it.
  SshHosts(Lab& lab, const SshHostsOptions& options);
  /// Kills what runs on the hosts. The folder stays.
  ~SshHosts();
  SshHosts(const SshHosts&) = delete;
  SshHosts& operator=(const SshHosts&) = delete;

  /// Hosts are numbered as in the lab: 1 to count().
  std::size_t count() const { return hosts_.size(); }
  /// "host-01", and so on: as wide as the last one needs.
  const std::string& name(std::size_t host) const { return at(host).name; }
  bool have_own_files() const { return !disk_.empty(); }

  /// An ssh_config(5) with an entry for each name; the hosts' keys are in its known_hosts.
  const std::filesystem::path& ssh_config() const { return ssh_config_; }
  /// The command that uses it: "ssh -F …/ssh_config".
  std::string ssh_command() const;
  /// The inventory, a name a line; on loopback with the label addr=ADDRESS, without own files with
  /// dest=PATH.
  const std::filesystem::path& hosts_file() const { return hosts_file_; }

  /// Where a release goes on that host, as the host sees it: with own files the same on all. It
  /// does not exist at first.
  std::filesystem::path dest(std::size_t host) const;
  /// The same folder as this process sees it.
  std::filesystem::path dest_from_outside(std::size_t host) const;
  /// The home of the user who logs in, as this process sees it.
  std::filesystem::path home_from_outside(std::size_t host) const;

  /// As when its power fails: in namespaces it is cut off first, so that nobody is told; then all
  /// that runs on it is killed, and gone on return. Without effect on a host that is stopped.
  void stop(std::size_t host);
  /// On again, with sshd; its disk is as it was. Error{failed} when sshd does not start. Without
  /// effect on a host that runs.
  void start(std::size_t host);

 private:
  struct Host {
    std::string name;
    std::size_t number = 0;
    std::filesystem::path folder;
    std::uint16_t port = 0;
    Process process;  ///< sshd, or with own files what waits for the host's first process
  };

  /// Who logs in: the calling user.
  struct User {
    std::string name;
    std::filesystem::path home;
  };

  const Host& at(std::size_t host) const;
  User calling_user();
  bool can_have_own_files();
  void make_folders(const Host& host) const;
  void make_keys();
  void write_ssh_config();
  std::string sshd_config(const Host& host) const;
  /// Runs it as the host's first process, on its network; what it writes goes to boot.log.
  Process run_first(const Host& host, const std::vector<std::string>& argv);
  /// Starts its sshd without waiting for it.
  void launch(Host& host);
  /// Until each accepts connections. One whose port was taken is launched again, elsewhere, while
  /// `may_move`.
  void wait_until_up(const std::vector<Host*>& hosts, bool may_move);
  /// SIGKILL to all that runs on it, without waiting for the end.
  void kill_all_on(Host& host);
  /// The same for these hosts, until all is gone.
  void switch_off(std::span<Host> hosts) noexcept;

  Lab& lab_;
  SshHostsOptions options_;
  User user_;
  std::filesystem::path disk_;  ///< where the hosts see their disks; empty without own files
  std::filesystem::path ssh_config_;
  std::filesystem::path hosts_file_;
  std::vector<Host> hosts_;
};

}  // namespace murder::lab
