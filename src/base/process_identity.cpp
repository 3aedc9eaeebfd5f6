#include "base/process_identity.hpp"

#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <string_view>
#include <system_error>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace murder {
namespace {

/// Field 22 of /proc/PID/stat; nullopt: there is no such process.
std::optional<std::int64_t> start_of(std::int64_t pid) {
  std::string stat;
  try {
    stat = read_file(fmt::format("/proc/{}/stat", pid));
  } catch (const Error&) {
    return std::nullopt;
  }
  // The second field, the name, may hold anything, blanks and brackets too.
  std::string_view rest = stat;
  rest.remove_prefix(std::min(rest.size(), rest.rfind(')') + 1));
  for (int field = 2; field < 21; ++field) {
    rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(' ')));
    if (field == 2 && (rest.starts_with('Z') || rest.starts_with('X'))) return std::nullopt;
    rest.remove_prefix(std::min(rest.size(), rest.find(' ')));
  }
  rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(' ')));
  std::int64_t ticks = 0;
  if (std::from_chars(rest.data(), rest.data() + rest.size(), ticks).ec != std::errc())
    return std::nullopt;
  return ticks;
}

/// All but the process itself.
ProcessIdentity here() {
  ProcessIdentity identity;
  char name[256] = "";
  if (::gethostname(name, sizeof name - 1) == 0) identity.machine = name;
  try {
    identity.boot = read_file("/proc/sys/kernel/random/boot_id");
  } catch (const Error&) {
    // Then name and namespace have to do.
  }
  while (identity.boot.ends_with('\n')) identity.boot.pop_back();
  std::error_code ignored;
  identity.numbering = std::filesystem::read_symlink("/proc/self/ns/pid", ignored).string();
  return identity;
}

}  // namespace

ProcessIdentity ProcessIdentity::of_this_process() {
  ProcessIdentity identity = here();
  identity.pid = ::getpid();
  identity.started = start_of(identity.pid).value_or(0);
  return identity;
}

ProcessStanding standing_of(const ProcessIdentity& process) {
  const ProcessIdentity place = here();
  if (process.machine != place.machine) return ProcessStanding::elsewhere;
  if (process.boot != place.boot) return ProcessStanding::gone;
  if (process.numbering != place.numbering) return ProcessStanding::elsewhere;
  const auto start = start_of(process.pid);
  return start && *start == process.started ? ProcessStanding::runs : ProcessStanding::gone;
}

}  // namespace murder
