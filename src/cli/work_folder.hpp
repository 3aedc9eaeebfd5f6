// The folder in which a command makes what it needs, gone when the command is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace murder::cli {

/// One thread.
class WorkFolder {
 public:
  /// A new folder for its owner alone, below $TMPDIR or /var/tmp. Error{failed} when it cannot be
  /// made.
  WorkFolder();
  /// Removes it with all that is in it, and says so on stderr if it cannot.
  ~WorkFolder();
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// Makes the folder `name` in it and mounts an empty filesystem in memory there that holds at
  /// most `size` bytes. The mount is seen by this process and its children alone and goes with
  /// them, however they end. Before any thread is started, as it moves this thread into a mount
  /// namespace of its own. False, and an ordinary folder, where the system refuses it (not root).
  bool make_in_memory(const std::string& name, std::uint64_t size);

 private:
  std::filesystem::path path_;
  std::filesystem::path mounted_;
};

/// What the kernel says could be used without swapping (MemAvailable), bytes; 0 when not known.
std::uint64_t available_memory();

}  // namespace murder::cli
