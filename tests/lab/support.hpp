// What the lab's tests share: programs run on a host, a scratch folder, waiting with an end.
#pragma once

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "base/file.hpp"
#include "lab/lab.hpp"

#define SKIP_WITHOUT_NAMESPACES()                                          \
  do {                                                                     \
    std::string why_not;                                                   \
    if (!lab::Lab::can_make_namespaces(&why_not)) GTEST_SKIP() << why_not; \
  } while (false)

namespace murder::lab_test {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "murder-lab-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// A sparse file: its size is what matters here, never its content.
  std::filesystem::path file_of(std::uint64_t size) const {
    auto path = path_ / ("file-" + std::to_string(size));
    std::ofstream(path).close();
    std::filesystem::resize_file(path, size);
    return path;
  }

 private:
  std::filesystem::path path_;
};

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
};

inline std::string read_line(int fd) {
  std::string line;
  char c = 0;
  while (::read(fd, &c, 1) == 1 && c != '\n') line += c;
  return line;
}

/// What a program prints on a host; it has ended well.
inline std::string output_of(lab::Lab& lab, std::size_t host,
                             const std::vector<std::string>& argv) {
  Pipe pipe;
  lab::Process process = lab.spawn(host, argv, pipe.write_end.get(), -1);
  pipe.write_end.reset();
  std::string output;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(pipe.read_end.get(), buffer, sizeof buffer)) > 0;)
    output.append(buffer, static_cast<std::size_t>(n));
  EXPECT_EQ(process.wait(), 0) << argv.front();
  return output;
}

/// No longer running: reaped, or dead and waiting for that.
inline bool is_dead(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(stat, text)) return true;
  const auto state = text.substr(text.rfind(')') + 2, 1);
  return state == "Z" || state == "X";
}

/// False when `condition` does not come true within a minute.
template <class Condition>
bool comes_true(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

/// The namespaces that a process made and that are still there.
inline std::vector<std::string> namespaces_of(pid_t pid) {
  std::vector<std::string> found;
  const std::string prefix = "murder-" + std::to_string(pid) + "-";
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/run/netns", none))
    if (entry.path().filename().native().starts_with(prefix)) found.push_back(entry.path());
  return found;
}

}  // namespace murder::lab_test
