#include "node/file_folder.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>

#include "base/error.hpp"

namespace murder::node {
namespace {

bool is_plain(char c) {
  const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const bool is_digit = c >= '0' && c <= '9';
  return is_letter || is_digit || c == '.' || c == '_' || c == '-' || c == '+';
}

}  // namespace

FileFolder::FileFolder(const std::filesystem::path& folder)
    : folder_(open_file(folder, O_RDONLY | O_DIRECTORY)) {}

UniqueFd FileFolder::open(std::string_view name) const {
  if (name.empty() || name.front() == '.' || !std::all_of(name.begin(), name.end(), is_plain))
    return {};
  // Not to wait for the other end of a FIFO that somebody put there.
  UniqueFd file(::openat(folder_.get(), std::string(name).c_str(),
                         O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file && (errno == EMFILE || errno == ENFILE)) throw_system_error("cannot open", name, errno);
  struct stat st {};
  if (!file || ::fstat(file.get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  return file;
}

}  // namespace murder::node
