#include "node/torrent_list.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "bittorrent/metainfo.hpp"

namespace murder::node {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t max_torrent_bytes = 64u << 20;
constexpr std::uint64_t max_list_bytes = 64u << 20;

std::vector<fs::path> torrents_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".torrent") found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

/// Of one file: when it last changed, and how large it is.
std::string state_of(const fs::path& path) {
  std::error_code ec;
  const auto time = fs::last_write_time(path, ec);
  const auto size = fs::is_regular_file(path, ec) ? fs::file_size(path, ec) : 0;
  return fmt::format("{} {} {};", path.native(), time.time_since_epoch().count(), size);
}

std::set<InfoHash> hashes_in(const fs::path& file) {
  std::set<InfoHash> hashes;
  const std::string text = read_file(file, max_list_bytes);
  std::string_view rest = text;
  for (int number = 1; !rest.empty(); ++number) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    line = line.substr(0, line.find('#'));
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r'))
      line.remove_suffix(1);
    if (line.empty()) continue;
    const auto hash = InfoHash::from_hex(std::string(line));
    if (!hash)
      throw Error(ErrorKind::usage, fmt::format("{}:{}: \"{}\" is no info-hash: 40 hex digits",
                                                file.native(), number, printable(line, 80)));
    hashes.insert(*hash);
  }
  return hashes;
}

}  // namespace

TorrentList::TorrentList(fs::path path, std::function<void(const std::string&)> warn)
    : path_(std::move(path)), warn_(std::move(warn)), state_(state()), torrents_(read()) {}

void TorrentList::refresh() {
  try {
    std::string now = state();
    if (now == state_) return;
    state_ = std::move(now);
    torrents_ = read();
  } catch (const std::exception& error) {
    warn_(fmt::format("the list of torrents stays as it was: {}", error.what()));
  }
}

std::string TorrentList::state() const {
  std::string state = state_of(path_);
  std::error_code ec;
  if (fs::is_directory(path_, ec))
    for (const fs::path& torrent : torrents_in(path_)) state += state_of(torrent);
  return state;
}

std::set<InfoHash> TorrentList::read() const {
  std::error_code ec;
  if (!fs::is_directory(path_, ec)) return hashes_in(path_);
  std::set<InfoHash> hashes;
  for (const fs::path& torrent : torrents_in(path_)) {
    try {
      hashes.insert(
          parse_metainfo(read_file(torrent, max_torrent_bytes), torrent.native()).info_hash);
    } catch (const Error& error) {
      warn_(fmt::format("not served: {}", error.what()));
    }
  }
  return hashes;
}

}  // namespace murder::node
