#include "release/tree_digest.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <span>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "base/error.hpp"

namespace murder {
namespace {

[[noreturn]] void throw_changed(const std::filesystem::path& path) {
  throw Error(ErrorKind::failed,
              fmt::format("{} changed while it was read", printable(path.native())));
}

Sha256Digest digest_of(const SourceTree& tree, const SourceEntry& source,
                       std::vector<std::uint8_t>& buffer, const std::stop_token& stop) {
  const std::filesystem::path path = tree.path / source.entry.path;
  const UniqueFd fd(::openat(tree.root.get(), source.entry.path.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) throw_system_error("cannot read", path.native(), errno);
  Sha256Stream stream;
  for (std::uint64_t done = 0; done < source.entry.size;) {
    if (stop.stop_requested())
      throw Error(ErrorKind::failed, "comparing was given up: nobody waits for it any more");
    const auto part = std::span(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), source.entry.size - done)));
    if (!read_exactly_at(fd.get(), part, done, path)) throw_changed(path);
    stream.update(part);
    done += part.size();
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_system_error("cannot read", path.native(), errno);
  if (FileIdentity::of(status) != source.identity) throw_changed(path);
  return stream.finish();
}

}  // namespace

Manifest manifest_of_tree(SourceTree tree, const std::stop_token& stop) {
  Manifest manifest;
  manifest.mtime_policy = MtimePolicy::source;
  manifest.entries.reserve(tree.entries.size());
  std::vector<std::uint8_t> buffer(1u << 20);
  for (SourceEntry& item : tree.entries) {
    if (item.entry.type == EntryType::file) item.entry.sha256 = digest_of(tree, item, buffer, stop);
    manifest.entries.push_back(std::move(item.entry));
  }
  return manifest;
}

}  // namespace murder
