#include "host/attributes.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <limits>
#include <memory>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"

namespace murder {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using OpenFile = std::unique_ptr<std::FILE, CloseFile>;

[[noreturn]] void refuse(std::string_view kind, std::string_view name, const char* file,
                         const char* option) {
  throw Error(ErrorKind::usage,
              fmt::format("unknown owner: no {} \"{}\" in {}; one that is kept elsewhere can be "
                          "given by number (id {} NAME)",
                          kind, printable(name), file, option));
}

/// All ones means "leave it" to chown(2), so that it is no id.
std::optional<std::uint32_t> parse_id(std::string_view text) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() ||
      id == std::numeric_limits<std::uint32_t>::max())
    return std::nullopt;
  return id;
}

/// Calls found(record) for each record of an account file until it says true.
template <class Record, class Read, class Found>
bool search_accounts(const char* path, Read read, Found found) {
  const OpenFile file(std::fopen(path, "re"));
  if (!file) return false;
  std::array<char, 65536> buffer{};
  Record record{};
  Record* result = nullptr;
  while (read(file.get(), &record, buffer.data(), buffer.size(), &result) == 0 && result != nullptr)
    if (found(*result)) return true;
  return false;
}

/// The user by name, else by number; `group` is the user's own.
bool find_user(std::string_view text, const char* path, uid_t& user, gid_t& group) {
  const auto search = [&](const auto& matches) {
    return search_accounts<passwd>(path, ::fgetpwent_r, [&](const passwd& record) {
      if (!matches(record)) return false;
      user = record.pw_uid;
      group = record.pw_gid;
      return true;
    });
  };
  if (search([&](const passwd& record) { return text == record.pw_name; })) return true;
  const std::optional<std::uint32_t> id = parse_id(text);
  return id && search([&](const passwd& record) { return *id == record.pw_uid; });
}

std::optional<gid_t> find_group(std::string_view text, const char* path) {
  std::optional<gid_t> id;
  search_accounts<group>(path, ::fgetgrent_r, [&](const group& record) {
    if (text != record.gr_name) return false;
    id = record.gr_gid;
    return true;
  });
  return id ? id : parse_id(text);
}

/// As chown(2) takes them: all ones leaves it as it is.
uid_t user_of(const Owner& owner) { return owner.user.value_or(static_cast<uid_t>(-1)); }
gid_t group_of(const Owner& owner) { return owner.group.value_or(static_cast<gid_t>(-1)); }

}  // namespace

Owner parse_owner(std::string_view text, const AccountFiles& files) {
  Owner owner;
  if (text.empty()) return owner;
  const std::size_t colon = text.find(':');
  const std::string_view user = text.substr(0, colon);
  if (!user.empty()) {
    uid_t id = 0;
    gid_t own_group = 0;
    const bool found = find_user(user, files.users, id, own_group);
    owner.user = found ? std::optional<uid_t>(id) : parse_id(user);
    if (!owner.user) refuse("user", user, files.users, "-u");
    if (colon == text.size() - 1) {
      if (!found) refuse("user", user, files.users, "-u");
      owner.group = own_group;
    }
  }
  if (colon == std::string_view::npos || colon == text.size() - 1) {
    if (user.empty())
      throw Error(ErrorKind::usage, "unknown owner \":\": use USER, USER:GROUP or :GROUP");
    return owner;
  }
  const std::string_view group = text.substr(colon + 1);
  owner.group = find_group(group, files.groups);
  if (!owner.group) refuse("group", group, files.groups, "-g");
  return owner;
}

bool can_give_to(const Owner& owner, int fd) {
  if (!owner) return true;
  struct stat st {};
  return ::fstat(fd, &st) == 0 && ::fchown(fd, user_of(owner), group_of(owner)) == 0 &&
         ::fchown(fd, st.st_uid, st.st_gid) == 0;
}

Attributes::Attributes(const Manifest& manifest, Owner owner) : mtime_of_(manifest), owner_(owner) {
  if (manifest.entries.empty()) root_mtime_ = mtime_of_(Entry{});
  bool first = true;
  for (const Entry& entry : manifest.entries) {
    root_mtime_ = first ? mtime_of_(entry) : std::max(root_mtime_, mtime_of_(entry));
    first = false;
  }
}

bool Attributes::apply(int fd, std::uint32_t mode, std::int64_t mtime) const {
  if (owner_ && ::fchown(fd, user_of(owner_), group_of(owner_)) != 0) return false;
  const timespec times[2] = {{0, UTIME_OMIT}, {static_cast<time_t>(mtime), 0}};
  return ::fchmod(fd, mode & 0777) == 0 && ::futimens(fd, times) == 0;
}

bool Attributes::apply(int fd, const Entry& entry) const {
  return apply(fd, entry.mode, mtime_of_(entry));
}

bool Attributes::apply_to_symlink(int parent, const char* name, const Entry& entry) const {
  if (owner_ &&
      ::fchownat(parent, name, user_of(owner_), group_of(owner_), AT_SYMLINK_NOFOLLOW) != 0)
    return false;
  const timespec times[2] = {{0, UTIME_OMIT}, {static_cast<time_t>(mtime_of_(entry)), 0}};
  return ::utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) == 0;
}

bool Attributes::apply_to_root(int fd) const { return apply(fd, 0755, root_mtime_); }

}  // namespace murder
