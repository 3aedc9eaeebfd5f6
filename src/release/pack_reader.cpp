// read_pack: from a pack's last 64 bytes to its manifest.
#include <array>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "release/limits.hpp"
#include "release/pack.hpp"
#include "release/trailer.hpp"

namespace murder {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& pack, std::string_view reason) {
  throw Error(ErrorKind::integrity,
              fmt::format("cannot read {} as a pack: {}", printable(pack.native()), reason));
}

std::string read_at(const UniqueFd& fd, std::uint64_t offset, std::uint64_t length,
                    const std::filesystem::path& pack) {
  std::string bytes(static_cast<std::size_t>(length), '\0');
  const std::span out(reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size());
  if (!read_exactly_at(fd.get(), out, offset, pack)) refuse(pack, "it became shorter");
  return bytes;
}

}  // namespace

OpenedPack read_pack(const std::filesystem::path& pack) {
  const UniqueFd fd = open_file(pack, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_system_error("cannot read", pack.native(), errno);
  if (!S_ISREG(status.st_mode)) refuse(pack, "it is not a file");
  const auto pack_size = static_cast<std::uint64_t>(status.st_size);
  if (pack_size < trailer_bytes + 2 * skippable_header_bytes) refuse(pack, "it is too short");

  const std::uint64_t end = pack_size - trailer_bytes - skippable_header_bytes;
  const std::string tail = read_at(fd, end, pack_size - end, pack);
  if (!tail.starts_with(skippable_header(trailer_frame_magic, trailer_bytes)))
    refuse(pack, "it does not end with a pack's trailer");
  const Trailer trailer = decode_trailer(std::string_view(tail).substr(skippable_header_bytes),
                                         pack_size, pack.native());
  if (trailer.manifest_length > max_stored_bytes(max_manifest_body_bytes))
    refuse(pack, fmt::format("its manifest has {} bytes", trailer.manifest_length));

  const std::uint64_t begin = trailer.manifest_offset - skippable_header_bytes;
  const std::string stored = read_at(fd, begin, end - begin, pack);
  const auto manifest_bytes = std::string_view(stored).substr(skippable_header_bytes);
  if (!stored.starts_with(skippable_header(manifest_frame_magic,
                                           static_cast<std::uint32_t>(trailer.manifest_length))))
    refuse(pack, "its manifest is not where its trailer says");
  if (sha256(manifest_bytes) != trailer.manifest_sha256)
    refuse(pack, "its manifest does not have the digest that its trailer says");

  OpenedPack opened{.manifest = decode_manifest(manifest_bytes, pack.native()),
                    .pack_size = pack_size,
                    .manifest_offset = trailer.manifest_offset,
                    .manifest_length = trailer.manifest_length,
                    .manifest_sha256 = trailer.manifest_sha256};
  const Frame& last = opened.manifest.frames.back();  // there is one: decode_manifest saw to it
  if (last.stored_offset + last.stored_size != begin)
    refuse(pack, "its frames do not end where its manifest begins");
  return opened;
}

}  // namespace murder
