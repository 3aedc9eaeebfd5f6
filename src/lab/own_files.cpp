#include "lab/own_files.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <sstream>
#include <unistd.h>

namespace murder::lab {
namespace {

// Arguments: the host's name, pairs of what is the host's own and its place, "--", the command. The
// first line goes through the /proc of this machine, so that the pid is the one that is known here.
constexpr const char* boot_script = R"(
set -e
read -r pid rest </proc/self/stat
echo "first process $pid"
hostname "$1"
mount -t proc proc /proc
shift
while [ "$1" != -- ]; do
  mount --bind "$1" "$2"
  shift 2
done
shift
exec "$@"
)";

}  // namespace

bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

std::vector<std::string> first_process_command(const std::string& host_name,
                                               std::vector<OwnPlace> places,
                                               const std::vector<std::string>& argv) {
  // Last what hides where others come from.
  const auto hides_none = [all = places](const OwnPlace& place) {
    return std::ranges::none_of(
        all, [&](const OwnPlace& other) { return lies_in(other.own, place.place); });
  };
  std::stable_partition(places.begin(), places.end(), hides_none);
  const bool root = ::geteuid() == 0;
  std::vector<std::string> command{"unshare", "--mount", "--pid",
                                   "--uts",   "--fork",  "--kill-child"};
  if (!root) command.insert(command.end(), {"--user", "--map-root-user"});
  command.insert(command.end(), {"sh", "-c", boot_script, "boot", host_name});
  for (const OwnPlace& place : places)
    command.insert(command.end(), {place.own.native(), place.place.native()});
  command.emplace_back("--");
  if (!root)
    command.insert(command.end(), {"unshare", "--user", fmt::format("--map-user={}", ::geteuid()),
                                   fmt::format("--map-group={}", ::getegid()), "--"});
  command.insert(command.end(), argv.begin(), argv.end());
  return command;
}

pid_t first_process_of(const std::string& output) {
  std::istringstream words(output);
  std::string first;
  std::string process;
  pid_t pid = 0;
  const bool said = words >> first >> process >> pid && first == "first" && process == "process";
  return said && pid > 1 ? pid : 0;
}

}  // namespace murder::lab
