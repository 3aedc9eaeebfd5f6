// Named network namespaces of a lab: entering, naming, removing them. A name carries the pid of
// the process that made it, "murder-PID-N", so that what a killed process left behind is known
// for what it is.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "base/file.hpp"

namespace murder::lab {

/// A name that nothing in this system has, of this process. Any thread.
std::string fresh_namespace_name();
/// The pid in a name of the form above; nullopt for a name that is none of ours.
std::optional<pid_t> maker_of(std::string_view namespace_name);

/// For setns(2). Error{failed} when it is not there.
UniqueFd open_namespace(const std::string& name);

/// Runs `work` with the calling thread inside the namespace, and brings the thread back.
void inside_namespace(int namespace_fd, const std::function<void()>& work);

/// Kills (SIGKILL) every process whose main thread is in one of these namespaces, waits until
/// they are gone, and removes the names; the kernel then frees the devices. Names that are not
/// there are skipped. Makes no processes and never throws but std::bad_alloc: it runs in
/// destructors.
void remove_namespaces(const std::vector<std::string>& names);
/// The namespaces whose maker is dead.
std::vector<std::string> stale_namespaces();

}  // namespace murder::lab
