#include "agent/releases.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>

#include "agent/activation.hpp"
#include "agent/placement.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "bittorrent/metainfo.hpp"
#include "host/beneath.hpp"
#include "host/destination.hpp"
#include "host/layout.hpp"
#include "host/lock.hpp"
#include "host/prune.hpp"

namespace murder::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_drifts = 1000;

/// Of the folder itself or, where it is not there yet, of the one that it would be made in.
std::uint64_t free_bytes_at(fs::path path) {
  struct statvfs st {};
  while (::statvfs(path.c_str(), &st) != 0) {
    if (!path.has_relative_path()) return 0;
    path = path.parent_path();
  }
  return std::uint64_t{st.f_bavail} * st.f_frsize;
}

/// Which folder of which machine it is: two names of one host say the same. Machines may be copies
/// of one another; what their kernels drew when they started is not.
std::string place_of(const fs::path& dest) {
  std::string boot;
  const UniqueFd fd(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  struct stat mounts {};
  std::error_code ec;
  const fs::path path = fs::weakly_canonical(dest, ec);
  if (ec || !fd || !read_all(fd.get(), boot) || ::stat("/proc/self/ns/mnt", &mounts) != 0)
    return {};
  while (!boot.empty() && boot.back() == '\n') boot.pop_back();
  return fmt::format("{}/{}:{}", boot, mounts.st_ino, path.lexically_normal().native());
}

bool was_used(const fs::path& dest) {
  struct stat st {};
  return ::lstat((dest / layout::own).c_str(), &st) == 0;
}

void look_for_tag(const Destination& destination, const orders::Look& order, orders::View& view) {
  layout::require_release_tag(order.tag);
  view.fetching = !TransferLock::holder(destination, order.tag).empty();
  if (!destination.has_release(order.tag)) return;
  if (order.info_hash.empty()) {
    view.staged = true;
    return;
  }
  const fs::path torrent = destination.metainfo_path(order.tag);
  std::error_code ec;
  // Whoever cleared the packs left nothing to tell by: staging compares with the manifest.
  if (!fs::exists(torrent, ec)) return;
  const bool same = parse_metainfo(read_file(torrent), torrent.native()).info_hash ==
                    InfoHash::from_hex(order.info_hash);
  view.staged = same;
  view.other_bytes = !same;
}

std::string_view kind_name(Drift::Kind kind) {
  switch (kind) {
    case Drift::Kind::missing:
      return "missing";
    case Drift::Kind::added:
      return "added";
    case Drift::Kind::type:
      return "type";
    case Drift::Kind::content:
      return "content";
    case Drift::Kind::mode:
      return "mode";
    case Drift::Kind::link:
      return "link";
  }
  return "";
}

Destination open_existing(const std::string& dest) {
  return Destination::open(dest, Destination::Mode::existing);
}

}  // namespace

orders::View look(const orders::Look& order, bool locked, const std::stop_token& stop) {
  orders::View view;
  if (order.dest.empty()) throw Error(ErrorKind::usage, "the destination is empty");
  const fs::path dest = fs::absolute(order.dest);
  view.free_bytes = free_bytes_at(dest);
  view.place = place_of(dest);
  if (!order.placement.target.empty()) look_at_target(order.placement, view, stop);
  view.used = was_used(dest);
  if (!view.used) return view;
  const Destination destination = open_existing(order.dest);
  view.live = destination.current_tag().value_or("");
  view.previous = previous_release(destination).value_or("");
  view.unfinished = unfinished_release(destination).has_value();
  if (!locked) view.locked_by = DeployLock::holder(destination);
  if (!order.tag.empty()) look_for_tag(destination, order, view);
  return view;
}

orders::Releases list_releases(const orders::ListReleases& order) {
  const Destination destination = open_existing(order.dest);
  orders::Releases answer;
  answer.previous = previous_release(destination).value_or("");
  for (const Destination::Release& release : destination.releases())
    answer.releases.push_back({release.tag, release.live, release.partial, release.staged_at});
  return answer;
}

orders::Verified verify(const orders::Verify& order, const std::stop_token& stop) {
  const Destination destination = open_existing(order.dest);
  orders::Verified answer;
  answer.tag = order.tag.empty() ? destination.current_tag().value_or("") : order.tag;
  if (answer.tag.empty())
    throw Error(ErrorKind::failed,
                fmt::format("cannot verify {}: no release is live there; name one",
                            destination.path().native()));
  const std::vector<Drift> drifts = verify_release(destination, answer.tag, stop);
  answer.drift_count = drifts.size();
  for (const Drift& drift : drifts) {
    if (answer.drifts.size() == max_drifts) break;
    answer.drifts.push_back({std::string(kind_name(drift.kind)), drift.path, drift.detail});
  }
  return answer;
}

orders::Pruned prune(const orders::Prune& order, const std::stop_token& stop) {
  murder::Pruned pruned = murder::prune(open_existing(order.dest), order.keep, stop);
  return {std::move(pruned.removed), pruned.freed_bytes};
}

}  // namespace murder::agent
