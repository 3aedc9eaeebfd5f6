#include "host/room.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <limits>
#include <sys/statvfs.h>

#include "base/units.hpp"
#include "host/stager.hpp"

namespace murder {
namespace {

std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) {
  return a > std::numeric_limits<std::uint64_t>::max() - b
             ? std::numeric_limits<std::uint64_t>::max()
             : a + b;
}

/// What a filesystem gives out at least, for a name as for a byte.
constexpr std::uint64_t block_bytes = 4096;

/// A disk of many small files can run out of inodes while bytes are left.
bool inodes_used_up(const struct statvfs& st) { return st.f_files != 0 && st.f_favail == 0; }

}  // namespace

bool is_disk_full(int error_number) { return error_number == ENOSPC || error_number == EDQUOT; }

Error write_error(const Destination& destination, std::string_view operation,
                  std::string_view object, std::uint64_t needed_bytes, int error_number) {
  std::string reason = system_reason(error_number);
  if (is_disk_full(error_number)) {
    struct statvfs st {};
    const bool known = ::fstatvfs(destination.fd(), &st) == 0;
    std::string_view what = error_number == EDQUOT ? "quota used up" : "no space left";
    if (known && error_number == ENOSPC && inodes_used_up(st)) what = "no inodes left";
    reason =
        fmt::format("{} in {} (needed {}, {} free); make room and run the same command again", what,
                    destination.path().native(), format_bytes(std::max(needed_bytes, block_bytes)),
                    known ? format_bytes(std::uint64_t{st.f_bavail} * st.f_frsize) : "unknown");
  }
  return {ErrorKind::failed, fmt::format("{} {}: {}", operation, printable(object), reason)};
}

std::uint64_t tree_bytes_on_disk(const Manifest& manifest) {
  std::uint64_t total = 0;
  for (const Entry& entry : manifest.entries) {
    const std::uint64_t blocks = entry.size / block_bytes + (entry.size % block_bytes != 0 ? 1 : 0);
    if (entry.type == EntryType::file)
      total = saturating_sum(total, blocks * block_bytes);
    else if (entry.type == EntryType::directory)
      total = saturating_sum(total, block_bytes);
  }
  return total;
}

void check_room(const Destination& destination, std::uint64_t pack_bytes, std::uint64_t tree_bytes,
                std::uint64_t already_there_bytes) {
  const std::uint64_t total = saturating_sum(pack_bytes, tree_bytes);
  std::uint64_t needed = saturating_sum(total, total / 20);
  needed -= std::min(needed, already_there_bytes);
  const std::uint64_t available = destination.free_bytes();
  if (needed <= available) return;
  throw Error(
      ErrorKind::failed,
      fmt::format("cannot stage into {}: it needs {}, {} free; make room (old releases, "
                  "kept packs) and run the same command again",
                  destination.path().native(), format_bytes(needed), format_bytes(available)));
}

}  // namespace murder
