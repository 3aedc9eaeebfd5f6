// A folder whose files a tracker hands out over HTTP: torrents, and the program itself.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/file.hpp"

namespace murder::node {

class FileFolder {
 public:
  /// Error{failed} when it is no folder that can be opened. Files may come and go later.
  explicit FileFolder(const std::filesystem::path& folder);
  /// The regular file of that name in the folder itself, open for reading. None when it is not
  /// there or not to be read, when it is a symlink, and for every name that is not plain: letters,
  /// digits and "._-+", not beginning with a dot.
  UniqueFd open(std::string_view name) const;

 private:
  UniqueFd folder_;
};

}  // namespace murder::node
