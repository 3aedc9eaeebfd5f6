#include "lab/processes.hpp"

#include <charconv>
#include <csignal>
#include <ctime>
#include <dirent.h>
#include <fmt/format.h>
#include <fstream>
#include <memory>
#include <sstream>
#include <unistd.h>

namespace murder::lab {

std::vector<std::string> names_in(const char* path) {
  std::vector<std::string> names;
  const auto close_dir = [](DIR* dir) { ::closedir(dir); };
  const std::unique_ptr<DIR, decltype(close_dir)> dir(::opendir(path));
  if (!dir) return names;
  while (const dirent* entry = ::readdir(dir.get())) names.emplace_back(entry->d_name);
  return names;
}

void kill_all(const std::function<bool(pid_t)>& belongs) {
  constexpr int rounds = 2000;
  constexpr timespec moment{0, 5'000'000};
  for (int round = 0; round < rounds; ++round) {
    bool found = false;
    for (const std::string& name : names_in("/proc")) {
      pid_t pid = 0;
      const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), pid);
      if (ec != std::errc() || end != name.data() + name.size()) continue;
      if (pid == ::getpid() || !belongs(pid)) continue;
      ::kill(pid, SIGKILL);
      found = true;
    }
    if (!found) return;
    ::nanosleep(&moment, nullptr);
  }
}

bool has_in_environment(pid_t pid, const std::string& entry) {
  std::ifstream file(fmt::format("/proc/{}/environ", pid), std::ios::binary);
  for (std::string variable; std::getline(file, variable, '\0');)
    if (variable == entry) return true;
  return false;
}

pid_t parent_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  // "7 (name, which may have anything in it) S 1 …"
  const std::size_t after_name = text.rfind(')');
  if (after_name == std::string::npos) return 0;
  std::istringstream rest(text.substr(after_name + 1));
  char state = 'X';
  pid_t parent = 0;
  rest >> state >> parent;
  return state == 'Z' || state == 'X' ? 0 : parent;
}

}  // namespace murder::lab
