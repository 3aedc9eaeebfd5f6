// A raw file as a release of one file.
//
// The payload is cloned where the filesystem can share extents, else copied; never hard-linked: a
// resumed transfer may rewrite the kept payload, and mode, owner and mtime would change for both.
// It is read once either way, for the manifest's SHA-256 that `verify` compares with.
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "host/attributes.hpp"
#include "host/beneath.hpp"
#include "host/layout.hpp"
#include "host/raw_release.hpp"
#include "host/sparse.hpp"
#include "host/stager.hpp"
#include "host/staging_folder.hpp"
#include "release/stored_manifest.hpp"

namespace murder {
namespace {

/// The manifest that a pack of this one file would have.
Manifest manifest_of(const std::string& name, std::uint64_t size, const Sha256Digest& digest) {
  Entry entry;
  entry.path = name;
  entry.mode = 0644;
  entry.size = size;
  entry.sha256 = digest;
  Manifest manifest;
  manifest.entries.push_back(std::move(entry));
  lay_out(manifest);
  return manifest;
}

bool clone(int to, int from) { return ::ioctl(to, FICLONE, from) == 0; }

void pause(const StageOptions& options) {
  if (options.pause) options.pause();
}

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
    const Sha256Digest digest =
        read_range(from.get(), payload, 0, size, [&](auto, auto) { pause(options); });
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
  const Sha256Digest digest = read_range(
      from.get(), payload, 0, size, [&](std::span<const std::uint8_t> part, std::uint64_t offset) {
        const std::string_view data(reinterpret_cast<const char*>(part.data()), part.size());
        if (!cloned && !write_sparse_at(to.get(), data, offset)) fail(errno);
        left -= part.size();
        pause(options);
      });
  const Manifest manifest = manifest_of(name, size, digest);
  const Attributes attributes(manifest, owner);
  if (!attributes.apply(to.get(), manifest.entries.front()) ||
      !attributes.apply_to_root(staging.fd()))
    fail(errno);
  staging.publish(store_manifest(manifest));
}

}  // namespace murder
