// A raw file as a release of one file.
//
// The payload is cloned where the filesystem can share extents, else copied; never hard-linked: a
// resumed transfer may rewrite the kept payload, and mode, owner and mtime would change for both.
// It is read once either way, for the manifest's SHA-256 that `verify` compares with.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "host/attributes.hpp"
#include "host/beneath.hpp"
#include "host/layout.hpp"
#include "host/room.hpp"
#include "host/sparse.hpp"
#include "host/stager.hpp"
#include "host/staging_folder.hpp"
#include "release/pack.hpp"
#include "release/stored_manifest.hpp"
#include "release/tar.hpp"

namespace murder {
namespace {

/// Reads `payload` to its end, handing each part with its offset to `part`.
template <class OnPart>
Sha256Digest read_through(int fd, const std::filesystem::path& payload, std::uint64_t size,
                          OnPart on_part) {
  std::vector<std::uint8_t> buffer(1u << 20);
  Sha256Stream hasher;
  for (std::uint64_t offset = 0; offset < size;) {
    const std::size_t n = std::min<std::uint64_t>(buffer.size(), size - offset);
    const std::span<std::uint8_t> part(buffer.data(), n);
    if (!read_exactly_at(fd, part, offset, payload))
      throw Error(ErrorKind::failed,
                  fmt::format("cannot read {}: it became shorter while it was staged",
                              printable(payload.native())));
    hasher.update(part);
    on_part(part, offset);
    offset += n;
  }
  return hasher.finish();
}

/// The manifest that a pack of this one file would have, but for the frames' digests: no frame is
/// made or read, yet what is kept for `verify` has the one form that manifests have.
Manifest manifest_of(const std::string& name, std::uint64_t size, const Sha256Digest& digest) {
  Entry entry;
  entry.path = name;
  entry.mode = 0644;
  entry.size = size;
  entry.sha256 = digest;
  entry.tar_offset = tar_block_bytes;
  Manifest manifest;
  manifest.entries.push_back(std::move(entry));
  const std::uint64_t tar_size = tar_block_bytes + tar_padded(size) + tar_end_bytes;
  for (std::uint64_t offset = 0; offset < tar_size; offset += frame_size_bytes) {
    Frame frame;
    frame.stored_offset = frame.raw_offset = offset;
    frame.stored_size = frame.raw_size = std::min(frame_size_bytes, tar_size - offset);
    manifest.frames.push_back(frame);
  }
  return manifest;
}

bool clone(int to, int from) { return ::ioctl(to, FICLONE, from) == 0; }

}  // namespace

void stage_file(const Destination& destination, const std::string& tag, const std::string& name,
                const std::filesystem::path& payload, const StageOptions& options) {
  layout::require_release_tag(tag);
  if (!is_safe_name(name))
    throw Error(ErrorKind::integrity,
                fmt::format("refused to stage {}: its name \"{}\" leads out of the release", tag,
                            printable(name)));
  const Owner owner = parse_owner(options.owner);
  const UniqueFd from = open_file(payload, O_RDONLY);
  const std::uint64_t size = file_size(from.get(), payload);
  if (destination.has_release(tag)) {
    const Sha256Digest digest = read_through(from.get(), payload, size, [](auto, auto) {});
    is_staged(destination, tag, manifest_of(name, size, digest));
    return;
  }

  StagingFolder staging(destination, tag, owner);
  std::uint64_t left = size;
  const auto fail = [&](int error_number) {
    staging.fail("cannot stage", name, left, error_number);
  };
  const UniqueFd to = open_beneath(staging.fd(), name, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!to) fail(errno);
  const bool cloned = clone(to.get(), from.get());
  if (!cloned && ::ftruncate(to.get(), static_cast<off_t>(size)) != 0) fail(errno);
  const Sha256Digest digest = read_through(
      from.get(), payload, size, [&](std::span<const std::uint8_t> part, std::uint64_t offset) {
        const std::string_view data(reinterpret_cast<const char*>(part.data()), part.size());
        if (!cloned && !write_sparse_at(to.get(), data, offset)) fail(errno);
        left -= part.size();
      });
  const Manifest manifest = manifest_of(name, size, digest);
  const Attributes attributes(manifest, owner);
  if (!attributes.apply(to.get(), manifest.entries.front()) ||
      !attributes.apply_to_root(staging.fd()))
    fail(errno);
  staging.publish(store_manifest(manifest));
}

}  // namespace murder
