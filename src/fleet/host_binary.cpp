#include "fleet/host_binary.hpp"

#include <algorithm>
#include <cstdlib>
#include <elf.h>
#include <fmt/format.h>
#include <optional>
#include <sys/utsname.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/gzip.hpp"
#include "base/units.hpp"
#include "base/xz.hpp"

namespace murder::fleet {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t largest_binary = 256_MiB;
/// In the cache, beside the one in use: its other form, those of other machines, or of the version
/// before.
constexpr std::size_t others_kept = 5;

struct Machine {
  const char* name;  ///< as `uname -m` says it
  unsigned elf;      ///< e_machine
};
constexpr Machine machines[] = {{"x86_64", EM_X86_64},
                                {"aarch64", EM_AARCH64},
                                {"riscv64", EM_RISCV},
                                {"ppc64le", EM_PPC64},
                                {"s390x", EM_S390}};

/// What a program is built for: a host whose shell takes a foreign one for a script must never get
/// it.
std::string machine_of(std::string_view program, const fs::path& path) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return static_cast<unsigned char>(program[i]);
  };
  if (program.size() > 20 && program.starts_with(ELFMAG)) {
    const bool is_big_endian = byte(EI_DATA) == ELFDATA2MSB;
    const unsigned number = byte(is_big_endian ? 19 : 18) | byte(is_big_endian ? 18 : 19) << 8u;
    for (const Machine& machine : machines)
      if (machine.elf == number) return machine.name;
  }
  throw Error(ErrorKind::failed,
              fmt::format("{} is no program that a host could run", printable(path.native())));
}

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

fs::path own_folder() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).parent_path();
}

/// Where the one for a machine may lie, by this executable's folder.
std::vector<fs::path> places(const std::string& machine, const fs::path& folder) {
  if (machine.find('/') != std::string::npos) return {};
  const std::string name = "murder-" + machine_name(machine);
  return {folder / name, (folder / "../libexec/murder" / name).lexically_normal()};
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && ::access(path.c_str(), R_OK) == 0;
}

std::string pack(std::string_view content, Packing packing, const std::string& machine) {
  if (packing == Packing::gzip) return gzip(content);
  return xz(content, machine == "x86_64" ? XzFilter::x86 : XzFilter::none);
}

std::optional<std::string> cached(const HostBinary& binary, Packing packing, const fs::path& file) {
  try {
    std::string compressed = read_file(file, largest_binary);
    const auto content =
        packing == Packing::gzip ? gunzip(compressed, binary.size) : unxz(compressed, binary.size);
    if (content && sha256(*content) == binary.sha256) return compressed;
  } catch (const Error&) {
    // Not there, or not to be read: it is made anew.
  }
  return std::nullopt;
}

/// Removes all of our files there but `file` and the newest others.
void tidy(const fs::path& cache, const fs::path& file) {
  std::vector<fs::directory_entry> others;
  for (const fs::directory_entry& entry : fs::directory_iterator(cache)) {
    const std::string name = entry.path().filename().native();
    const bool is_ours =
        name.starts_with("murder-") && (name.ends_with(".gz") || name.ends_with(".xz"));
    if (is_ours && entry.path() != file) others.push_back(entry);
  }
  std::sort(others.begin(), others.end(),
            [](const auto& a, const auto& b) { return a.last_write_time() > b.last_write_time(); });
  for (std::size_t i = others_kept; i < others.size(); ++i) fs::remove(others[i].path());
}

}  // namespace

std::string machine_name(const std::string& machine) {
  if (machine == "amd64") return "x86_64";
  if (machine == "arm64") return "aarch64";
  return machine;
}

fs::path host_binary(const std::string& machine) {
  return host_binary(machine, variable("MURDER_HOST_BINARY"), own_folder());
}

fs::path host_binary(const std::string& machine, const std::string& chosen,
                     const fs::path& folder) {
  if (!chosen.empty()) {
    if (is_file(chosen)) return chosen;
    throw Error(ErrorKind::failed,
                fmt::format("cannot read {}, which MURDER_HOST_BINARY names", printable(chosen)));
  }
  std::string looked_for;
  for (const fs::path& path : places(machine, folder)) {
    if (is_file(path)) return path;
    looked_for += (looked_for.empty() ? "" : " and ") + printable(path.native());
  }
  throw Error(ErrorKind::failed,
              fmt::format("no murder for {} hosts here: looked for {}; build it on such a machine "
                          "(it is what `./dev build` makes beside murder) and put it there",
                          printable(machine), looked_for));
}

HostBinary read_host_binary(const fs::path& path) {
  const std::string content = read_file(path, largest_binary);
  return {path, machine_of(content, path), sha256(content), content.size()};
}

std::vector<HostBinary> read_host_binaries() {
  if (!variable("MURDER_HOST_BINARY").empty()) return {read_host_binary(host_binary(""))};
  std::vector<HostBinary> found;
  const fs::path folder = own_folder();
  for (const Machine& machine : machines)
    for (const fs::path& path : places(machine.name, folder)) {
      if (!is_file(path)) continue;
      found.push_back(read_host_binary(path));
      if (found.back().machine != machine.name)
        throw Error(ErrorKind::failed, fmt::format("{} is built for {}", printable(path.native()),
                                                   found.back().machine));
      break;
    }
  struct utsname own {};
  if (found.empty() && ::uname(&own) == 0) host_binary(own.machine);
  return found;
}

std::string compress_host_binary(const HostBinary& binary, Packing packing, const fs::path& cache) {
  const fs::path file =
      cache / (file_name(binary.to_bootstrap()) + (packing == Packing::gzip ? ".gz" : ".xz"));
  if (!cache.empty())
    if (auto kept = cached(binary, packing, file)) return *std::move(kept);
  // What the build has made already.
  const fs::path beside = binary.path.native() + (packing == Packing::gzip ? ".gz" : ".xz");
  if (auto made = cached(binary, packing, beside)) return *std::move(made);

  const std::string content = read_file(binary.path, largest_binary);
  if (sha256(content) != binary.sha256)
    throw Error(ErrorKind::failed,
                fmt::format("{} was replaced while it was being read; run the command again",
                            printable(binary.path.native())));
  std::string compressed = pack(content, packing, binary.machine);
  if (!cache.empty()) {
    try {
      fs::create_directories(cache);
      write_file_atomically(file, compressed);
      tidy(cache, file);
    } catch (const std::exception&) {
      // Made anew the next time.
    }
  }
  return compressed;
}

fs::path default_cache() {
  const std::string chosen = variable("XDG_CACHE_HOME");
  if (!chosen.empty()) return fs::path(chosen) / "murder";
  const std::string home = variable("HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".cache" / "murder";
}

}  // namespace murder::fleet
