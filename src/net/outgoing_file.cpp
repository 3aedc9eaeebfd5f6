#include "net/outgoing_file.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/units.hpp"

namespace murder::net {
namespace {

/// Before other connections get their turn.
constexpr off_t bytes_per_turn = 256_KiB;

}  // namespace

std::optional<OutgoingFile> OutgoingFile::of(UniqueFd file) {
  struct stat st {};
  if (::fstat(file.get(), &st) != 0 || !S_ISREG(st.st_mode)) return std::nullopt;
  return OutgoingFile(std::move(file), st.st_size);
}

bool OutgoingFile::send_some(int socket) {
  const off_t turn_end = std::min(end_, offset_ + bytes_per_turn);
  while (offset_ < turn_end) {
    const ssize_t n =
        ::sendfile(socket, file_.get(), &offset_, static_cast<std::size_t>(turn_end - offset_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0) return false;
  }
  return true;
}

}  // namespace murder::net
