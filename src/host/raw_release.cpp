#include "host/raw_release.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "release/pack.hpp"
#include "release/tar.hpp"

namespace murder {

Sha256Digest read_range(
    int fd, const std::filesystem::path& payload, std::uint64_t offset, std::uint64_t size,
    const std::function<void(std::span<const std::uint8_t>, std::uint64_t)>& on_part) {
  std::vector<std::uint8_t> buffer(std::min<std::uint64_t>(1u << 20, size));
  Sha256Stream hasher;
  for (std::uint64_t done = 0; done < size;) {
    const std::size_t n = std::min<std::uint64_t>(buffer.size(), size - done);
    const std::span<std::uint8_t> part(buffer.data(), n);
    if (!read_exactly_at(fd, part, offset + done, payload))
      throw Error(ErrorKind::failed,
                  fmt::format("cannot read {}: it became shorter while it was staged",
                              printable(payload.native())));
    hasher.update(part);
    on_part(part, done);
    done += n;
  }
  return hasher.finish();
}

void lay_out(Manifest& manifest) {
  std::uint64_t tar_size = 0;
  for (Entry& entry : manifest.entries) {
    tar_size += tar_block_bytes;
    if (entry.type != EntryType::file) continue;
    entry.tar_offset = tar_size;
    tar_size += tar_padded(entry.size);
  }
  tar_size += tar_end_bytes;
  manifest.frames.clear();
  for (std::uint64_t offset = 0; offset < tar_size; offset += frame_size_bytes) {
    Frame frame;
    frame.stored_offset = frame.raw_offset = offset;
    frame.stored_size = frame.raw_size = std::min(frame_size_bytes, tar_size - offset);
    manifest.frames.push_back(frame);
  }
}

}  // namespace murder
