// .murder/journal: one JSON object a line, {"action":…,"at":…,"previous":…,"tag":…}, appended with
// one write(2) and fsynced. A crash can leave a torn last line; it is skipped when read and closed
// with a newline before the next one is appended.
#include "host/journal.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "host/beneath.hpp"
#include "host/layout.hpp"
#include "host/room.hpp"

namespace murder {
namespace {

std::string shown_path(const Destination& destination) {
  return layout::shown(destination, fmt::format("{}/{}", layout::own, layout::journal));
}

std::optional<JournalEntry> parse_line(std::string_view line) {
  const nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  const auto at = object.find("at");
  const auto action = object.find("action");
  const auto tag = object.find("tag");
  const auto previous = object.find("previous");
  if (at == object.end() || !at->is_number_integer() || action == object.end() ||
      !action->is_string() || tag == object.end() || !tag->is_string())
    return std::nullopt;
  JournalEntry entry;
  entry.at = at->get<std::int64_t>();
  entry.action = action->get<std::string>();
  entry.tag = tag->get<std::string>();
  if (previous != object.end() && previous->is_string())
    entry.previous_tag = previous->get<std::string>();
  // Tags become names of folders: what is none was not written by murder.
  if (!layout::is_release_tag(entry.tag)) return std::nullopt;
  if (!entry.previous_tag.empty() && !layout::is_release_tag(entry.previous_tag))
    return std::nullopt;
  return entry;
}

bool ends_with_newline(int fd, off_t size) {
  char last = '\n';
  return size == 0 || (::pread(fd, &last, 1, size - 1) == 1 && last == '\n');
}

}  // namespace

std::int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::uint64_t append_journal_line(const Destination& destination, const JournalEntry& entry) {
  const UniqueFd own = layout::open_folder(destination, layout::own);
  const UniqueFd fd = open_beneath(own.get(), layout::journal, O_RDWR | O_CREAT, 0600);
  struct stat st {};
  if (!fd || ::fstat(fd.get(), &st) != 0)
    throw write_error(destination, "cannot open", shown_path(destination), 0, errno);
  nlohmann::json object = {{"at", entry.at}, {"action", entry.action}, {"tag", entry.tag}};
  if (!entry.previous_tag.empty()) object["previous"] = entry.previous_tag;
  std::string line = object.dump() + "\n";
  if (!ends_with_newline(fd.get(), st.st_size)) line.insert(0, "\n");
  const auto size = static_cast<std::uint64_t>(st.st_size);
  // A new journal's name has to be on disk as well as its first line.
  if (!write_all_at(fd.get(), line, size) || ::fsync(fd.get()) != 0 ||
      (size == 0 && ::fsync(own.get()) != 0)) {
    const int reason = errno;
    truncate_journal(destination, size);
    throw write_error(destination, "cannot write", shown_path(destination), line.size(), reason);
  }
  return size;
}

void truncate_journal(const Destination& destination, std::uint64_t size) {
  const UniqueFd fd =
      open_beneath(destination.fd(), fmt::format("{}/{}", layout::own, layout::journal), O_WRONLY);
  if (fd && ::ftruncate(fd.get(), static_cast<off_t>(size)) == 0) ::fsync(fd.get());
}

void append_journal(const Destination& destination, const JournalEntry& entry) {
  append_journal_line(destination, entry);
}

std::vector<JournalEntry> read_journal(const Destination& destination) {
  const UniqueFd fd =
      open_beneath(destination.fd(), fmt::format("{}/{}", layout::own, layout::journal), O_RDONLY);
  if (!fd && errno == ENOENT) return {};
  std::string text;
  if (!fd || !read_all(fd.get(), text))
    throw_system_error("cannot read", shown_path(destination), errno);
  std::vector<JournalEntry> entries;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (auto entry = parse_line(std::string_view(text).substr(begin, end - begin)))
      entries.push_back(std::move(*entry));
    begin = end + 1;
  }
  return entries;
}

}  // namespace murder
