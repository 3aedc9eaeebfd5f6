// Processes that are not this one's children, found in /proc by where they belong, and ended.
#pragma once

#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace murder::lab {

/// Names in a folder; empty when it cannot be read.
std::vector<std::string> names_in(const char* path);

/// Sends SIGKILL to every process that `belongs`, but never to this one, again until there is none:
/// one may fork while the others are being killed, and a dying one is there for a moment. Gives up
/// after ten seconds. Makes no processes and never throws but std::bad_alloc: it runs in
/// destructors.
void kill_all(const std::function<bool(pid_t)>& belongs);

/// True when its environment, as it was at its start, has this "NAME=value". False for one whose
/// environment cannot be read.
bool has_in_environment(pid_t pid, const std::string& entry);

/// The parent; 0 for one that has ended, reaped or not.
pid_t parent_of(pid_t pid);

}  // namespace murder::lab
