// The static binary that is put onto hosts: where it lies on the control side, its digest, and how
// it travels. Plain blocking functions, for a thread of their own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "fleet/bootstrap_script.hpp"

namespace murder::fleet {

/// One name for each kind of machine: "x86_64" also for "amd64", "aarch64" also for "arm64".
/// Another name stays as it is.
std::string machine_name(const std::string& machine);

/// The static binary for hosts of that kind (as `uname -m` says it): $MURDER_HOST_BINARY if that is
/// set, for any kind; else murder-MACHINE beside this executable; else ../libexec/murder/
/// murder-MACHINE from there. Error{failed} naming where it was looked for.
std::filesystem::path host_binary(const std::string& machine);
/// The same, with what it depends on: `chosen` may be empty; `folder` is where this executable
/// lies.
std::filesystem::path host_binary(const std::string& machine, const std::string& chosen,
                                  const std::filesystem::path& folder);

struct HostBinary {
  std::filesystem::path path;
  std::string machine;     ///< what it is built for, as machine_name() has it
  Sha256Digest sha256;     ///< of the file as it lies there
  std::uint64_t size = 0;  ///< likewise, bytes

  /// What a host has to know of it.
  BootstrapBinary to_bootstrap() const { return {machine, sha256, size}; }
};

/// Reads and hashes it; some milliseconds. Error{failed}, also when it is no program for Linux.
HostBinary read_host_binary(const std::filesystem::path& path);

/// All that there are here, for a fleet of more than one kind of machine; read. Error{failed} when
/// there is none at all, naming where the one for this machine was looked for.
std::vector<HostBinary> read_host_binaries();

/// The binary as gzip or xz writes it. That takes half a second and more, so that it is kept in
/// `cache` (which is made), as murder-DIGEST.gz or .xz; where it is not yet, what lies beside the
/// binary under its name and ".gz" or ".xz" is taken. Both are checked before they are used. A
/// cache that cannot be read or written only costs that time; so does an empty path. Error{failed}
/// when the binary is not the one any more that was read.
std::string compress_host_binary(const HostBinary& binary, Packing packing,
                                 const std::filesystem::path& cache);

/// ${XDG_CACHE_HOME:-~/.cache}/murder; empty when neither is set.
std::filesystem::path default_cache();

}  // namespace murder::fleet
