// A host's first process, with files, processes and a host name of the host's own: folders of this
// machine lie over others in a mount namespace, and whatever the first process starts, also what
// detaches itself, ends with it.
//
// An ordinary user does the mounting as root of a user namespace, where the kernel allows it; a
// second one inside gives the first process its own user back.
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace murder::lab {

/// `own` (a file or folder) is what the host sees at `place`, which exists.
struct OwnPlace {
  std::filesystem::path own;
  std::filesystem::path place;
};

/// True when `path` is `folder` or something below it; both are absolute.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& folder);

/// The command line whose child runs `argv` as the first process of the host. It ends when nothing
/// of the host is left, with the status of argv; when it is killed (SIGKILL) the host is, too. On
/// stdout it says first which process the first one is. Places whose own files lie below another
/// place are no problem.
std::vector<std::string> first_process_command(const std::string& host_name,
                                               std::vector<OwnPlace> places,
                                               const std::vector<std::string>& argv);
/// What it said, from its stdout; 0 when it has not said it.
pid_t first_process_of(const std::string& output);

}  // namespace murder::lab
