#include "host/prune.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <string_view>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"
#include "host/beneath.hpp"
#include "host/layout.hpp"
#include "host/lock.hpp"

namespace murder {
namespace {

/// No tag ends so.
constexpr char removed_suffix = '~';

struct FilesOf {
  const char* folder;
  std::vector<std::string> names;
};

constexpr std::string_view torrent_suffix = ".torrent";

/// Everything but the release itself and its lock. The torrent, by which without_release() finds
/// the others, goes last.
std::vector<FilesOf> files_of(const std::string& tag) {
  return {{layout::manifests, {tag, tag + "~links"}},
          {layout::transfers, {tag + ".sock", tag + ".log", tag + ".torrent"}},
          {layout::packs, {tag + ".tar.zst", tag + ".tar.zst.partial", tag + ".torrent"}}};
}

class Pruner {
 public:
  Pruner(const Destination& destination, const std::stop_token& stop)
      : destination_(destination),
        stop_(stop),
        releases_(layout::open_folder(destination, layout::releases)) {}

  Pruned run(std::size_t keep) {
    const std::uint64_t free_before = destination_.free_bytes();
    for (const std::string& tag : left_over()) finish_removal(tag);
    for (const std::string& tag : beyond(keep))
      if (!stop_.stop_requested() && remove(tag)) pruned_.removed.push_back(tag);
    for (const std::string& tag : without_release(keep))
      if (!stop_.stop_requested() && forget(tag)) pruned_.removed.push_back(tag);
    const std::uint64_t free_after = destination_.free_bytes();
    pruned_.freed_bytes = free_after > free_before ? free_after - free_before : 0;
    return std::move(pruned_);
  }

 private:
  std::vector<std::string> left_over() const {
    std::vector<FolderItem> items;
    if (!list_folder(releases_.get(), items))
      throw_system_error("cannot read", layout::shown(destination_, layout::releases), errno);
    std::vector<std::string> tags;
    for (FolderItem& item : items) {
      if (!item.name.ends_with(removed_suffix)) continue;
      item.name.pop_back();
      if (layout::is_release_tag(item.name)) tags.push_back(std::move(item.name));
    }
    return tags;
  }

  /// Oldest first.
  std::vector<std::string> beyond(std::size_t keep) const {
    std::vector<std::string> tags;
    std::size_t kept = 0;
    for (const Destination::Release& release : destination_.releases())
      if (!release.partial && kept++ >= keep) tags.push_back(release.tag);
    std::reverse(tags.begin(), tags.end());
    return tags;
  }

  /// Tags whose pack is kept and whose release is not there: oldest first, without the newest.
  std::vector<std::string> without_release(std::size_t keep) const {
    std::map<std::string, std::pair<std::int64_t, std::size_t>> staged;  // when, and which line
    const std::vector<JournalEntry> journal = read_journal(destination_);
    for (std::size_t i = 0; i < journal.size(); ++i)
      if (journal[i].action == "staged") staged[journal[i].tag] = {journal[i].at, i + 1};

    const UniqueFd packs = layout::open_folder(destination_, layout::packs);
    std::vector<FolderItem> items;
    if (!list_folder(packs.get(), items))
      throw_system_error("cannot read", layout::shown(destination_, layout::packs), errno);
    std::vector<std::tuple<std::int64_t, std::size_t, std::string>> found;
    for (FolderItem& item : items) {
      std::string tag = std::move(item.name);
      if (!tag.ends_with(torrent_suffix)) continue;
      tag.resize(tag.size() - torrent_suffix.size());
      if (!layout::is_release_tag(tag) || destination_.has_release(tag)) continue;
      const auto [at, line] = staged[tag];
      found.emplace_back(std::max(at, written_at(packs.get(), tag)), line, std::move(tag));
    }
    std::sort(found.begin(), found.end());
    found.resize(found.size() - std::min(keep, found.size()));
    std::vector<std::string> tags;
    tags.reserve(found.size());
    for (auto& [at, line, tag] : found) tags.push_back(std::move(tag));
    return tags;
  }

  /// When something of a pack came last.
  static std::int64_t written_at(int packs, const std::string& tag) {
    std::int64_t last = 0;
    for (const char* const suffix : {".tar.zst", ".tar.zst.partial", ".torrent"}) {
      struct stat st {};
      if (::fstatat(packs, (tag + suffix).c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0)
        last = std::max<std::int64_t>(last, st.st_mtim.tv_sec);
    }
    return last;
  }

  /// What is kept of a tag without a release.
  bool forget(const std::string& tag) {
    auto transfer = lock(tag);
    if (!transfer || destination_.has_release(tag)) return false;
    remove_tree_of(tag + std::string(layout::partial_suffix));
    remove_files_of(tag);
    transfer->remove_file();
    return true;
  }

  bool is_needed(const std::string& tag) const {
    return destination_.current_tag() == tag || previous_release(destination_) == tag;
  }

  bool remove(const std::string& tag) {
    auto transfer = lock(tag);
    if (!transfer) return false;
    const std::string removed = tag + removed_suffix;
    remove_tree_of(removed);
    {
      const DestinationLock change(destination_);
      if (is_needed(tag)) return false;
      if (::renameat(releases_.get(), tag.c_str(), releases_.get(), removed.c_str()) != 0) {
        if (errno == ENOENT) return false;  // somebody else was here
        throw_system_error("cannot remove", shown_release(tag), errno);
      }
    }
    remove_files_of(tag);
    remove_tree_of(removed);
    transfer->remove_file();
    return true;
  }

  /// Of a removal that was interrupted. The tag may have been staged again since.
  void finish_removal(const std::string& tag) {
    auto transfer = lock(tag);
    if (!transfer) return;
    const bool staged_again = destination_.has_release(tag);
    if (!staged_again) remove_files_of(tag);
    remove_tree_of(tag + removed_suffix);
    if (!staged_again) transfer->remove_file();
  }

  /// nullopt: it is being staged.
  std::optional<TransferLock> lock(const std::string& tag) const {
    try {
      return std::optional<TransferLock>(std::in_place, destination_, tag);
    } catch (const LockHeld&) {
      return std::nullopt;
    }
  }

  void remove_files_of(const std::string& tag) {
    for (const FilesOf& files : files_of(tag)) {
      const UniqueFd folder = layout::open_folder(destination_, files.folder);
      for (const std::string& name : files.names)
        if (::unlinkat(folder.get(), name.c_str(), 0) != 0 && errno != ENOENT)
          throw_system_error("cannot remove",
                             layout::shown(destination_, fmt::format("{}/{}", files.folder, name)),
                             errno);
    }
  }

  void remove_tree_of(const std::string& name) {
    if (!remove_tree(releases_.get(), name))
      throw_system_error("cannot remove", shown_release(name), errno);
  }

  std::string shown_release(const std::string& name) const {
    return layout::shown(destination_, fmt::format("{}/{}", layout::releases, name));
  }

  const Destination& destination_;
  const std::stop_token& stop_;
  const UniqueFd releases_;
  Pruned pruned_;
};

}  // namespace

Pruned prune(const Destination& destination, std::size_t keep, const std::stop_token& stop) {
  return Pruner(destination, stop).run(keep);
}

}  // namespace murder
