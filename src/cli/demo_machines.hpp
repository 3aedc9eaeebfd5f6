// The machines of a demo: hosts that have sshd and nothing else, a machine to deploy from, the
// links between them, and where all their files lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/units.hpp"
#include "cli/commands.hpp"
#include "cli/control_machine.hpp"
#include "cli/signal_watch.hpp"
#include "cli/work_folder.hpp"
#include "lab/lab.hpp"
#include "lab/ssh_hosts.hpp"

namespace murder::cli {

/// Error{failed} naming what is missing and where to get it, when there can be no such machines
/// here.
void require_programs_of_hosts();

/// One thread, that of `signals`. Whatever was made is gone when it is.
class DemoMachines {
 public:
  explicit DemoMachines(Context& context, SignalWatch& signals)
      : context_(context), signals_(signals) {}

  /// A folder on disk, for what is made before the machines are.
  const std::filesystem::path& work_folder() const { return work_.path(); }

  /// Finds room for their files, `bytes`: in memory where it fits, since one disk would have to
  /// take what the disks of all hosts would. Says where. Before any thread is started.
  /// Error{failed} when there is no room.
  void make_room(std::uint64_t bytes, std::size_t hosts);
  bool in_memory() const { return in_memory_; }
  /// Where the control machine works; what is made there has room.
  std::filesystem::path control_folder() const { return work_.path() / "lab"; }

  /// Network and links; without `namespaces`, or where there can be none, on loopback. Says so.
  void make_network(std::size_t hosts, Rate link, bool namespaces);
  /// After that.
  void start_hosts();

  lab::Lab& lab() const { return *lab_; }
  const lab::SshHosts& hosts() const { return *hosts_; }
  ControlMachine& control() { return *control_; }

 private:
  Context& context_;
  SignalWatch& signals_;
  bool in_memory_ = false;
  // In the order in which they are made; they go the other way round.
  WorkFolder work_;
  std::unique_ptr<lab::Lab> lab_;
  std::optional<lab::SshHosts> hosts_;
  std::optional<ControlMachine> control_;
};

}  // namespace murder::cli
