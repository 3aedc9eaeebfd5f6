#include "base/file.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "base/units.hpp"

namespace murder {

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

UniqueFd open_file(const std::filesystem::path& path, int flags, unsigned mode) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0)
    throw_system_error((flags & O_CREAT) != 0 ? "cannot create" : "cannot open", path.native(),
                       errno);
  return UniqueFd(fd);
}

std::uint64_t file_size(int fd, const std::filesystem::path& path) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) throw_system_error("cannot stat", path.native(), errno);
  return static_cast<std::uint64_t>(st.st_size);
}

std::string read_file(const std::filesystem::path& path, std::uint64_t limit) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  return read_rest(fd.get(), path, limit);
}

std::string read_rest(int fd, const std::filesystem::path& path, std::uint64_t limit) {
  std::string content;
  // Read to the end rather than trust the size: /proc and pipes say 0.
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_system_error("cannot read", path.native(), errno);
    if (n == 0) return content;
    content.append(buffer, static_cast<std::size_t>(n));
    if (content.size() > limit)
      throw Error(ErrorKind::failed, fmt::format("cannot read {}: larger than {}",
                                                 printable(path.native()), format_bytes(limit)));
  }
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content,
                           bool durable, unsigned mode) {
  // Not named after the process id: in a container that is the same one after every crash.
  const std::filesystem::path temporary =
      fmt::format("{}.{:016x}.tmp", path.native(), Random::from_system().next());
  const UniqueFd fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
  try {
    write_exactly_at(fd.get(), as_bytes(content), 0, path);
    if (durable && ::fsync(fd.get()) != 0) throw_system_error("cannot sync", path.native(), errno);
    if (::rename(temporary.c_str(), path.c_str()) != 0)
      throw_system_error("cannot write", path.native(), errno);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  if (durable) {
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    const UniqueFd folder_fd = open_file(folder, O_RDONLY | O_DIRECTORY);
    if (::fsync(folder_fd.get()) != 0) throw_system_error("cannot sync", folder.native(), errno);
  }
}

bool read_exactly_at(int fd, std::span<std::uint8_t> out, std::uint64_t offset,
                     const std::filesystem::path& path) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_system_error("cannot read", path.native(), errno);
    if (n == 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

void write_exactly_at(int fd, std::span<const std::uint8_t> data, std::uint64_t offset,
                      const std::filesystem::path& path) {
  std::size_t done = 0;
  while (done < data.size()) {
    const ssize_t n =
        ::pwrite(fd, data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_system_error("cannot write", path.native(), errno);
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace murder
