// Switching `current`, forth and back.
//
// The journal's line is written first, then `current` is renamed: a full disk then changes nothing
// (the line is taken back), and after a crash between the two the link tells what is live. So the
// history is read from the `previous` of each line: what a line says of the release it names holds
// only as far as the next line agrees.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "base/error.hpp"
#include "host/beneath.hpp"
#include "host/destination.hpp"
#include "host/journal.hpp"
#include "host/layout.hpp"
#include "host/room.hpp"

namespace murder {
namespace {

constexpr std::string_view temporary_prefix = "current.tmp-";

void require_release(const Destination& destination, const std::string& tag,
                     std::string_view operation) {
  layout::require_release_tag(tag);
  if (!destination.has_release(tag))
    throw Error(ErrorKind::failed,
                fmt::format("cannot {} {}: no such release in {}; stage it first", operation, tag,
                            destination.path().native()));
}

void require_link_or_nothing(const Destination& destination) {
  struct stat st {};
  const std::string path = layout::shown(destination, layout::current);
  if (::fstatat(destination.fd(), layout::current, &st, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return;
    throw_system_error("cannot stat", path, errno);
  }
  if (!S_ISLNK(st.st_mode))
    throw Error(ErrorKind::failed,
                fmt::format("cannot switch {}: it is a {}, not a symlink; move it away (mv {} "
                            "{}.old) and run the same command again",
                            path, S_ISDIR(st.st_mode) ? "folder" : "file", path, path));
}

/// Links that killed processes left; the holder of the lock is alone.
void remove_stale_links(const Destination& destination) {
  std::vector<FolderItem> items;
  if (!list_folder(destination.fd(), items))
    throw_system_error("cannot read", destination.path().native(), errno);
  for (const FolderItem& item : items)
    if (item.name.starts_with(temporary_prefix) && (item.type == DT_LNK || item.type == DT_UNKNOWN))
      ::unlinkat(destination.fd(), item.name.c_str(), 0);
}

void switch_current(const Destination& destination, const JournalEntry& entry) {
  require_link_or_nothing(destination);
  remove_stale_links(destination);
  const std::string path = layout::shown(destination, layout::current);
  const std::string temporary = fmt::format("{}{}", temporary_prefix, ::getpid());
  const std::string target = fmt::format("{}/{}", layout::releases, entry.tag);
  if (::symlinkat(target.c_str(), destination.fd(), temporary.c_str()) != 0)
    throw write_error(destination, "cannot switch", path, 0, errno);
  try {
    const std::uint64_t journal_size = append_journal_line(destination, entry);
    if (::renameat(destination.fd(), temporary.c_str(), destination.fd(), layout::current) != 0) {
      const int reason = errno;
      truncate_journal(destination, journal_size);
      throw write_error(destination, "cannot switch", path, 0, reason);
    }
  } catch (...) {
    ::unlinkat(destination.fd(), temporary.c_str(), 0);
    throw;
  }
  if (::fsync(destination.fd()) != 0)
    throw_system_error("cannot sync", destination.path().native(), errno);
}

/// What was live, oldest first; the last is live now. Going back takes the newer ones off, so that
/// the next rollback goes further back and not forth again.
class LiveHistory {
 public:
  void activated(const std::string& tag) {
    if (tags_.empty() || tags_.back() != tag) tags_.push_back(tag);
  }
  /// Back to `tag` where it is in the history, else it becomes the newest.
  void back_to(const std::string& tag) {
    const auto found = std::find(tags_.rbegin(), tags_.rend(), tag);
    if (found == tags_.rend())
      tags_.push_back(tag);
    else
      tags_.erase(found.base(), tags_.end());
  }
  /// Without the newest.
  std::vector<std::string> before() const {
    return tags_.empty() ? tags_ : std::vector<std::string>(tags_.begin(), tags_.end() - 1);
  }

 private:
  std::vector<std::string> tags_;
};

LiveHistory read_history(const Destination& destination, const std::string& live) {
  LiveHistory history;
  for (const JournalEntry& entry : read_journal(destination)) {
    const bool forth = entry.action == "activated";
    if (!forth && entry.action != "rolled-back") continue;
    if (!entry.previous_tag.empty()) history.back_to(entry.previous_tag);
    if (forth)
      history.activated(entry.tag);
    else
      history.back_to(entry.tag);
  }
  history.back_to(live);
  return history;
}

}  // namespace

std::optional<std::string> previous_release(const Destination& destination) {
  const std::optional<std::string> live = destination.current_tag();
  if (!live) return std::nullopt;
  const std::vector<std::string> before = read_history(destination, *live).before();
  for (auto tag = before.rbegin(); tag != before.rend(); ++tag)
    if (*tag != live && destination.has_release(*tag)) return *tag;
  return std::nullopt;
}

std::optional<std::string> activate(const Destination& destination, const std::string& tag) {
  require_release(destination, tag, "activate");
  std::optional<std::string> previous = destination.current_tag();
  if (previous == tag) return previous;
  switch_current(destination, {now_seconds(), "activated", tag, previous.value_or("")});
  return previous;
}

std::string rollback(const Destination& destination, const std::string& tag) {
  const std::optional<std::string> live = destination.current_tag();
  if (!tag.empty()) require_release(destination, tag, "roll back to");
  if (tag.empty() && !live)
    throw Error(ErrorKind::failed,
                fmt::format("cannot roll back {}: no release is live there; name the release to "
                            "go to",
                            destination.path().native()));
  std::string target = tag.empty() ? previous_release(destination).value_or("") : tag;
  if (target.empty())
    throw Error(ErrorKind::failed,
                fmt::format("cannot roll back {}: no release that was live before {} is left; name "
                            "the release to go to",
                            destination.path().native(), *live));
  if (live == target) return target;
  switch_current(destination, {now_seconds(), "rolled-back", target, live.value_or("")});
  return target;
}

}  // namespace murder
