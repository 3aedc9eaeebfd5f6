// Who owns what is staged, its mode and when it was changed.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "release/manifest.hpp"

namespace murder {

/// Absent parts stay as they are (the extracting user's).
struct Owner {
  std::optional<uid_t> user;
  std::optional<gid_t> group;
  explicit operator bool() const { return user.has_value() || group.has_value(); }
  friend bool operator==(const Owner&, const Owner&) = default;
};

struct AccountFiles {
  const char* users = "/etc/passwd";
  const char* groups = "/etc/group";
};

/// As chown(1) reads it: "user", "user:group", "user:" (with the user's own group), ":group"; names
/// or numbers; empty: nobody else. Names are looked up in the account files and nowhere else: a
/// static binary cannot load the name services of the host. Throws Error{usage}.
Owner parse_owner(std::string_view text, const AccountFiles& files = {});

/// Whether this process may give what it owns to `owner`: tried with an open file or folder, which
/// is its former owner's afterwards. False with errno.
bool can_give_to(const Owner& owner, int fd);

/// Gives files of one release their owner, mode and mtime. Each call is false with errno.
class Attributes {
 public:
  Attributes(const Manifest& manifest, Owner owner);

  /// A file or folder that is open for reading or writing.
  bool apply(int fd, const Entry& entry) const;
  bool apply_to_symlink(int parent, const char* name, const Entry& entry) const;
  /// The release's own folder, which has no entry: mode 0755, as old as its newest entry.
  bool apply_to_root(int fd) const;

 private:
  bool apply(int fd, std::uint32_t mode, std::int64_t mtime) const;

  MtimeRule mtime_of_;
  std::int64_t root_mtime_ = 0;
  Owner owner_;
};

}  // namespace murder
