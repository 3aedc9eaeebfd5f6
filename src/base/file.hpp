// Descriptors that close themselves and whole-file helpers. Errors are thrown as Error{failed}
// naming the operation and the path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace murder {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

/// open(2) with O_CLOEXEC.
UniqueFd open_file(const std::filesystem::path& path, int flags, unsigned mode = 0666);
/// All of it; Error{failed} beyond `limit` bytes.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit = 1ull << 30);
/// What is left to read of `fd`, as read_file(); `path` is for the message.
std::string read_rest(int fd, const std::filesystem::path& path, std::uint64_t limit = 1ull << 30);
/// Readers see the old content or the new, never a part: a temporary in the same folder, renamed.
/// `durable`: content and name are on disk when it returns (fsync of the file and of the folder).
/// After an error the old content is there and no temporary; a crash may leave a *.tmp beside it.
void write_file_atomically(const std::filesystem::path& path, std::string_view content,
                           bool durable = false, unsigned mode = 0666);
/// The whole span, or an error; `path` is for the message. False when the file ends before it.
bool read_exactly_at(int fd, std::span<std::uint8_t> out, std::uint64_t offset,
                     const std::filesystem::path& path);
void write_exactly_at(int fd, std::span<const std::uint8_t> data, std::uint64_t offset,
                      const std::filesystem::path& path);
std::uint64_t file_size(int fd, const std::filesystem::path& path);

}  // namespace murder
