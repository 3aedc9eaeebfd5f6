// What the pack's tests share: folders that go away, trees made and described, packs taken apart,
// the real tar.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/random.hpp"
#include "release/pack.hpp"

namespace murder::testing {

namespace fs = std::filesystem;

/// A new empty folder, removed with all that is in it.
class TempDir {
 public:
  explicit TempDir(const fs::path& parent = fs::temp_directory_path()) {
    std::string name = (parent / "murder-release-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) throw_system_error("cannot make", name, errno);
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const fs::path& path() const { return path_; }
  fs::path operator/(std::string_view name) const { return path_ / name; }

 private:
  fs::path path_;
};

/// Where much can be written in little time: in memory, if the system has such a place.
inline fs::path fast_place() {
  const fs::path memory = "/dev/shm";
  return ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
}

/// A new file, with its folders and exactly this mode whatever the umask.
inline void put(const fs::path& path, std::string_view content, mode_t mode = 0644) {
  fs::create_directories(path.parent_path());
  const UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  write_exactly_at(fd.get(), as_bytes(content), 0, path);
  if (::fchmod(fd.get(), mode) != 0) throw_system_error("cannot chmod", path.native(), errno);
}

inline void put_folder(const fs::path& path, mode_t mode = 0755) {
  fs::create_directories(path);
  if (::chmod(path.c_str(), mode) != 0) throw_system_error("cannot chmod", path.native(), errno);
}

inline void set_mtime(const fs::path& path, std::int64_t seconds) {
  const std::array<timespec, 2> times{timespec{.tv_sec = seconds, .tv_nsec = 0},
                                      timespec{.tv_sec = seconds, .tv_nsec = 0}};
  if (::utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
    throw_system_error("cannot touch", path.native(), errno);
}

/// Bytes that do not compress.
inline std::string noise(std::size_t size, std::uint64_t seed) {
  Random random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random.next());
  return out;
}

struct CommandResult {
  int status = -1;
  std::string output;  ///< stdout and stderr
};
/// Through the shell.
inline CommandResult run(const std::string& command) {
  CommandResult result;
  FILE* pipe = ::popen(fmt::format("( {} ) 2>&1", command).c_str(), "re");
  if (pipe == nullptr) throw_system_error("cannot run", command, errno);
  std::array<char, 4096> buffer{};
  for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    result.output.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

/// `tar -x` says nothing and succeeds.
inline ::testing::AssertionResult untar(const fs::path& pack, const fs::path& into,
                                        std::string_view environment = "") {
  const auto [status, output] =
      run(fmt::format("{} tar -xpf '{}' -C '{}'", environment, pack.native(), into.native()));
  if (status == 0 && output.empty()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "tar: status " << status << ": " << output;
}

/// A tree as a map from path to what is there, to be compared: type, mode, size, digest, target,
/// and for files with several names the first of them.
inline std::map<std::string, std::string> describe(const fs::path& root) {
  std::map<std::string, std::string> tree;
  std::vector<std::string> paths;
  for (const auto& item : fs::recursive_directory_iterator(root))
    paths.push_back(item.path().native().substr(root.native().size() + 1));
  std::ranges::sort(paths);
  std::map<ino_t, std::string> first_name;
  for (const std::string& path : paths) {
    struct stat status {};
    const fs::path full = root / path;
    if (::lstat(full.c_str(), &status) != 0)
      throw_system_error("cannot stat", full.native(), errno);
    if (S_ISLNK(status.st_mode)) {
      tree[path] = "-> " + fs::read_symlink(full).native();
    } else if (S_ISDIR(status.st_mode)) {
      tree[path] = fmt::format("folder {:o}", status.st_mode & 0777);
    } else {
      tree[path] = fmt::format("file {:o} {} {}", status.st_mode & 0777, status.st_size,
                               sha256(read_file(full)).hex());
      if (status.st_nlink > 1) {
        const auto name = first_name.try_emplace(status.st_ino, path).first;
        if (name->second != path) tree[path] = "= " + name->second;
      }
    }
  }
  return tree;
}

/// The same from a manifest.
inline std::map<std::string, std::string> describe(const Manifest& manifest) {
  std::map<std::string, std::string> tree;
  for (const Entry& entry : manifest.entries) {
    std::string& line = tree[entry.path];
    switch (entry.type) {
      case EntryType::file:
        line = fmt::format("file {:o} {} {}", entry.mode, entry.size, entry.sha256.hex());
        break;
      case EntryType::directory:
        line = fmt::format("folder {:o}", entry.mode);
        break;
      case EntryType::symlink:
        line = "-> " + entry.link_target;
        break;
      case EntryType::hardlink:
        line = "= " + entry.link_target;
        break;
    }
  }
  return tree;
}

inline std::vector<std::string> paths_of(const Manifest& manifest) {
  std::vector<std::string> paths;
  for (const Entry& entry : manifest.entries) paths.push_back(entry.path);
  return paths;
}

/// The whole tar stream, frame by frame, last frame first.
inline std::string unpack_stream(const fs::path& pack, const Manifest& manifest) {
  const UniqueFd fd = open_file(pack, O_RDONLY);
  std::string stream(manifest.frames.back().raw_offset + manifest.frames.back().raw_size, '\0');
  FrameDecoder decoder;
  for (auto frame = manifest.frames.rbegin(); frame != manifest.frames.rend(); ++frame) {
    std::vector<std::uint8_t> stored(frame->stored_size);
    EXPECT_TRUE(read_exactly_at(fd.get(), stored, frame->stored_offset, pack));
    const auto raw = decoder.decode(*frame, stored);
    std::copy(raw.begin(), raw.end(),
              stream.begin() + static_cast<std::ptrdiff_t>(frame->raw_offset));
  }
  return stream;
}

/// True when `operation` throws an Error of this kind whose message has `part` in it.
template <class F>
::testing::AssertionResult fails_with(ErrorKind kind, std::string_view part, F&& operation) {
  try {
    operation();
  } catch (const Error& error) {
    if (error.kind() != kind)
      return ::testing::AssertionFailure() << "status " << error.exit_status() << ", not "
                                           << static_cast<int>(kind) << ": " << error.what();
    if (std::string_view(error.what()).find(part) == std::string_view::npos)
      return ::testing::AssertionFailure() << "'" << part << "' is not in: " << error.what();
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "it did not fail";
}

}  // namespace murder::testing
