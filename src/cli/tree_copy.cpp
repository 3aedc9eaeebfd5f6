#include "cli/tree_copy.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace murder::cli {
namespace {

namespace fs = std::filesystem;

fs::perms mode_of(const Entry& entry) { return static_cast<fs::perms>(entry.mode); }

void copy(const Entry& entry, const fs::path& from, const fs::path& to) {
  const fs::path place = to / entry.path;
  switch (entry.type) {
    case EntryType::file:
      fs::copy_file(from / entry.path, place);
      fs::permissions(place, mode_of(entry));
      break;
    case EntryType::directory:
      fs::create_directory(place);
      break;
    case EntryType::symlink:
      fs::create_symlink(entry.link_target, place);
      break;
    case EntryType::hardlink:
      fs::create_hard_link(to / entry.link_target, place);
      break;
  }
}

}  // namespace

void copy_tree(const SourceTree& source, const fs::path& to,
               const std::function<void()>& meanwhile) {
  try {
    fs::create_directory(to);
    for (const SourceEntry& item : source.entries) {
      copy(item.entry, source.path, to);
      meanwhile();
    }
    // Last, and the innermost first: nothing can be put into a folder that may not be written to.
    for (auto item = source.entries.rbegin(); item != source.entries.rend(); ++item)
      if (item->entry.type == EntryType::directory)
        fs::permissions(to / item->entry.path, mode_of(item->entry));
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorKind::failed,
                fmt::format("cannot copy {}: {}", printable(error.path1().native()),
                            error.code().message()));
  }
}

}  // namespace murder::cli
