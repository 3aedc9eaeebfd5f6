#include "fleet/payload.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/error.hpp"

namespace murder::fleet {
namespace {

constexpr std::uint64_t max_torrent_bytes = 64u << 20;

}  // namespace

Payload open_payload(const PackedRelease& packed, UniqueFd& fd) {
  Payload payload;
  payload.torrent = read_file(packed.torrent_path, max_torrent_bytes);
  payload.torrent_path = packed.torrent_path;
  payload.metainfo = parse_metainfo(payload.torrent, packed.torrent_path);
  payload.path = packed.payload_path;
  fd = open_file(packed.payload_path, O_RDONLY);
  payload.fd = fd.get();
  payload.state = state_of(payload.fd, payload.path);
  return payload;
}

std::string state_of(int fd, const std::string& path) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) throw_system_error("cannot look at", path, errno);
  return fmt::format("{} {}.{:09}", st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

std::string describe_change(const Payload& payload) {
  return fmt::format(
      "{} was changed while it was being deployed: nothing is switched; deploy again when nobody "
      "writes it",
      payload.path);
}

}  // namespace murder::fleet
