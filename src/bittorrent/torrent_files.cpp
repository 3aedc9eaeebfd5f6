#include "bittorrent/torrent_files.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/units.hpp"

namespace murder {
namespace {

using bencode::Value;

constexpr std::size_t max_name_bytes = 255;   // NAME_MAX of every Linux filesystem
constexpr std::size_t max_path_bytes = 4095;  // PATH_MAX without its NUL
constexpr std::uint64_t max_payload_bytes = std::uint64_t{1} << 53;
// Files, and the folders that they lie in, each with its whole path: what a host has to remember of
// a tree.
constexpr std::size_t max_tree_entries = 1u << 20;
constexpr std::size_t max_tree_path_bytes = 256_MiB;

[[noreturn]] void fail(std::string reason) {
  throw TorrentFault{ErrorKind::integrity, std::move(reason)};
}

std::string read_path(const Value& file, std::size_t number) {
  const Value* components = file.find("path");
  if (components == nullptr || components->list() == nullptr || components->list()->empty())
    fail(fmt::format("file {} has no path, a list of names", number));
  std::string path;
  for (const Value& component : *components->list()) {
    const auto name = component.string();
    if (!name) fail(fmt::format("in the path of file {} is {}", number, component.kind_name()));
    if (const auto fault = name_fault(*name))
      fail(fmt::format("in the path of file {} {}", number, *fault));
    if (!path.empty()) path += '/';
    path += *name;
    if (path.size() > max_path_bytes)
      fail(fmt::format("the path of file {} is longer than {} bytes", number, max_path_bytes));
  }
  return path;
}

TorrentFile read_file(const Value& value, std::size_t number) {
  if (value.dictionary() == nullptr)
    fail(fmt::format("file {} is {}, not a dictionary", number, value.kind_name()));
  TorrentFile file;
  file.path = read_path(value, number);
  const auto length = value.find_integer("length");
  if (!length || *length < 0)
    fail(fmt::format("the length of '{}' is missing or less than nothing",
                     printable(file.path, 200)));
  file.length = static_cast<std::uint64_t>(*length);
  const std::string_view attributes = value.find_string("attr").value_or("");
  if (attributes.find('l') != std::string_view::npos)
    throw TorrentFault{
        ErrorKind::failed,
        fmt::format("'{}' is a symlink, and murder makes none for other programs' torrents",
                    printable(file.path, 200))};
  file.is_padding = attributes.find('p') != std::string_view::npos;
  file.is_executable = attributes.find('x') != std::string_view::npos;
  return file;
}

/// Sorts "a/b" before "a-b", so that all that lies below "a" comes right behind it.
bool in_order_of_tree(std::string_view a, std::string_view b) {
  return std::ranges::lexicographical_compare(
      a, b, {}, [](char c) { return c == '/' ? '\0' : c; },
      [](char c) { return c == '/' ? '\0' : c; });
}

void check_tree(const std::vector<TorrentFile>& files) {
  std::vector<std::string_view> paths;
  paths.reserve(files.size());
  for (const TorrentFile& file : files)
    if (!file.is_padding) paths.push_back(file.path);
  std::ranges::sort(paths, in_order_of_tree);
  std::size_t entries = paths.size();
  std::size_t bytes = 0;
  std::string_view before;
  for (const std::string_view path : paths) {
    if (!before.empty() && path.starts_with(before) &&
        (path.size() == before.size() || path[before.size()] == '/'))
      fail(path == before ? fmt::format("it names '{}' twice", printable(path, 200))
                          : fmt::format("'{}' is a file, and '{}' needs a folder there",
                                        printable(before, 200), printable(path, 200)));
    bytes += path.size();
    const auto common =
        static_cast<std::size_t>(std::ranges::mismatch(path, before).in1 - path.begin());
    for (auto slash = path.find('/'); slash != std::string_view::npos;
         slash = path.find('/', slash + 1)) {
      // The folders of a path are new where it leaves that of the one before.
      if (slash < common) continue;
      ++entries;
      bytes += slash;
    }
    if (entries > max_tree_entries || bytes > max_tree_path_bytes)
      throw TorrentFault{ErrorKind::failed,
                         fmt::format("it holds more than {} files and folders, or their paths are "
                                     "longer than {} in all",
                                     max_tree_entries, format_bytes(max_tree_path_bytes))};
    before = path;
  }
  if (paths.empty()) fail("it holds no file but padding");
}

}  // namespace

std::optional<std::string> name_fault(std::string_view name) {
  if (name.empty()) return "the name is empty";
  if (name.size() > max_name_bytes)
    return fmt::format("the name is {} bytes long, more than {}", name.size(), max_name_bytes);
  if (name == "." || name == ".." || name.find('/') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos)
    return fmt::format("the name '{}' is not one path component", printable(name, 80));
  return std::nullopt;
}

std::vector<TorrentFile> read_torrent_files(const Value& value) {
  if (value.list() == nullptr) fail(fmt::format("'files' is {}, not a list", value.kind_name()));
  const Value::List& list = *value.list();
  if (list.empty()) fail("'files' is empty");
  if (list.size() > max_tree_entries)
    throw TorrentFault{ErrorKind::failed, fmt::format("it holds {} files, more than {}",
                                                      list.size(), max_tree_entries)};
  std::vector<TorrentFile> files;
  files.reserve(list.size());
  std::uint64_t offset = 0;
  for (const Value& item : list) {
    files.push_back(read_file(item, files.size() + 1));
    TorrentFile& file = files.back();
    if (file.length > max_payload_bytes - offset) fail("its files are large beyond reason");
    file.offset = offset;
    offset += file.length;
  }
  check_tree(files);
  return files;
}

}  // namespace murder
