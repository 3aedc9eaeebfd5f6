// What the tests of src/host share: folders that vanish, packs made by hand, children that die.
#pragma once

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <numeric>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>
#include <zstd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "host/beneath.hpp"
#include "host/destination.hpp"
#include "host/lock.hpp"
#include "host/stager.hpp"
#include "release/manifest.hpp"

namespace murder::test {

namespace fs = std::filesystem;

/// A folder of the test's own, removed with all it holds.
class TempFolder {
 public:
  /// `in_memory`: for what syncs or removes so often that a disk would take minutes.
  enum class Where { anywhere, in_memory };

  explicit TempFolder(Where where = Where::anywhere) {
    const fs::path memory = "/dev/shm";
    const bool use_memory = where == Where::in_memory && ::access(memory.c_str(), W_OK) == 0;
    const fs::path parent = use_memory ? memory : fs::temp_directory_path();
    std::string pattern = (parent / "murder-host-XXXXXX").native();
    if (::mkdtemp(pattern.data()) == nullptr) throw_system_error("cannot create", pattern, errno);
    path_ = pattern;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    const UniqueFd parent(::open(path_.parent_path().c_str(), O_PATH | O_CLOEXEC));
    remove_tree(parent.get(), path_.filename().native());
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline void write_text(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary).write(text.data(), std::ssize(text));
}

inline std::string read_text(const fs::path& path) { return read_file(path); }

inline struct stat status_of(const fs::path& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) throw_system_error("cannot stat", path.native(), errno);
  return st;
}

inline bool is_there(const fs::path& path) { return fs::exists(fs::symlink_status(path)); }

/// The names in a folder, sorted.
inline std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& item : fs::directory_iterator(folder)) names.push_back(item.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

/// Runs it and expects an Error of this kind whose message holds `words`.
inline void expect_error(ErrorKind kind, std::string_view words,
                         const std::function<void()>& operation) {
  try {
    operation();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_NE(std::string_view(error.what()).find(words), std::string_view::npos) << error.what();
    return;
  }
  ADD_FAILURE() << "no error; expected one with \"" << words << '"';
}

/// A manifest with its frames.
struct Pack {
  Manifest manifest;
  std::vector<std::string> frames;

  std::string stored_manifest() const { return encode_manifest(manifest); }
  std::uint64_t pack_bytes() const {
    return std::accumulate(
        frames.begin(), frames.end(), std::uint64_t{0},
        [](std::uint64_t sum, const std::string& frame) { return sum + frame.size(); });
  }
};

/// Makes packs whose tar headers are blank (staging goes by the manifest alone) and whose frames
/// are small, so that files span them. Takes any path and link: what decode_manifest would refuse
/// too.
class PackBuilder {
 public:
  PackBuilder& folder(std::string path, std::uint32_t mode = 0755) {
    return add(EntryType::directory, std::move(path), mode, {}, {});
  }
  PackBuilder& file(std::string path, std::string content, std::uint32_t mode = 0644) {
    return add(EntryType::file, std::move(path), mode, {}, std::move(content));
  }
  PackBuilder& symlink(std::string path, std::string target) {
    return add(EntryType::symlink, std::move(path), 0777, std::move(target), {});
  }
  PackBuilder& hardlink(std::string path, std::string target) {
    return add(EntryType::hardlink, std::move(path), 0644, std::move(target), {});
  }
  PackBuilder& mtime(std::int64_t seconds) {
    items_.back().entry.mtime = seconds;
    return *this;
  }

  Pack build(std::size_t frame_bytes = 4096, MtimePolicy policy = MtimePolicy::from_digest) {
    std::stable_sort(items_.begin(), items_.end(),
                     [](const Item& a, const Item& b) { return a.entry.path < b.entry.path; });
    Pack pack;
    pack.manifest.mtime_policy = policy;
    std::string tar;
    for (Item& item : items_) {
      tar.append(512, '\0');
      if (item.entry.type == EntryType::file) {
        item.entry.tar_offset = tar.size();
        item.entry.size = item.content.size();
        item.entry.sha256 = sha256(item.content);
        tar += item.content;
        tar.append((512 - tar.size() % 512) % 512, '\0');
      }
      pack.manifest.entries.push_back(item.entry);
    }
    tar.append(1024, '\0');
    std::uint64_t stored_offset = 0;
    for (std::size_t offset = 0; offset < tar.size(); offset += frame_bytes) {
      const std::string raw = tar.substr(offset, frame_bytes);
      std::string stored(ZSTD_compressBound(raw.size()), '\0');
      stored.resize(ZSTD_compress(stored.data(), stored.size(), raw.data(), raw.size(), 1));
      pack.manifest.frames.push_back(
          {stored_offset, stored.size(), offset, raw.size(), sha256(raw)});
      stored_offset += stored.size();
      pack.frames.push_back(std::move(stored));
    }
    return pack;
  }

 private:
  struct Item {
    Entry entry;
    std::string content;
  };
  PackBuilder& add(EntryType type, std::string path, std::uint32_t mode, std::string target,
                   std::string content) {
    Item item;
    item.entry.path = std::move(path);
    item.entry.type = type;
    item.entry.mode = mode;
    item.entry.link_target = std::move(target);
    item.content = std::move(content);
    items_.push_back(std::move(item));
    return *this;
  }
  std::vector<Item> items_;
};

/// Bytes that zstd does not shrink and that name their place.
inline std::string noise(std::size_t size, std::uint64_t seed) {
  std::string text;
  text.reserve(size + 8);
  std::uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
  while (text.size() < size) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    text.append(reinterpret_cast<const char*>(&x), sizeof x);
  }
  text.resize(size);
  return text;
}

/// A small release with something of everything.
inline Pack sample_pack(std::string_view version, std::size_t frame_bytes = 4096) {
  return PackBuilder()
      .folder("bin")
      .file("bin/app", noise(9000, version.size() + 1) + std::string(version), 0755)
      .hardlink("bin/app-again", "bin/app")
      .folder("empty", 0700)
      .folder("etc")
      .file("etc/config", "version = " + std::string(version), 0640)
      .file("etc/nothing", "", 0444)
      .symlink("latest", "bin/app")
      .build(frame_bytes);
}

inline void stage(const Destination& destination, const std::string& tag, const Pack& pack,
                  std::vector<std::size_t> order = {}, const StageOptions& options = {}) {
  if (order.empty()) {
    order.resize(pack.frames.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
  }
  Stager stager(destination, tag, pack.manifest, options);
  for (const std::size_t i : order) stager.unpack(i, as_bytes(pack.frames[i]));
  stager.finish(pack.stored_manifest());
}

/// Each drift as "KIND PATH".
inline std::vector<std::string> drifts(const Destination& destination, const std::string& tag) {
  static constexpr const char* kinds[] = {"missing", "added", "type", "content", "mode", "link"};
  std::vector<std::string> lines;
  for (const Drift& drift : verify_release(destination, tag))
    lines.push_back(std::string(kinds[static_cast<int>(drift.kind)]) + " " + drift.path);
  return lines;
}

inline const std::vector<std::string> no_drift;

/// Runs it in a child process and returns its exit status: 0 when it returned, 1 when it threw (the
/// message is on stderr). For what changes a whole process: users, limits, filters.
inline int in_child(const std::function<void()>& operation) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      operation();
    } catch (const std::exception& error) {
      static_cast<void>(!::write(2, error.what(), std::string_view(error.what()).size()));
      static_cast<void>(!::write(2, "\n", 1));
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// For in_child(): ends the child with a word on stderr unless `condition`.
inline void require(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

/// For in_child(): becomes an ordinary user where the test runs as root.
inline void drop_privileges() {
  constexpr uid_t nobody = 65534;
  if (::geteuid() == 0)
    require(::setresgid(nobody, nobody, nobody) == 0 && ::setresuid(nobody, nobody, nobody) == 0,
            "cannot drop privileges");
}

/// Gives a folder to the user that drop_privileges() becomes.
inline void give_to_ordinary_user(const fs::path& folder) {
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(folder.c_str(), 65534, 65534), 0);
  }
}

}  // namespace murder::test
