#include "node/metainfo_source.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/http_url.hpp"
#include "net/http.hpp"

namespace murder::node {
namespace {

constexpr std::uint64_t max_torrent_bytes = 64u << 20;

std::string http_get(const std::string& text) {
  const HttpUrl url = parse_http_url(text, "URL", net::can_fetch_securely());
  net::HttpGet::Options options;
  options.host = url.host;
  options.port = url.port;
  options.target = url.target;
  options.is_secure = url.is_secure;
  options.max_body_bytes = max_torrent_bytes;
  boost::asio::io_context io;
  net::HttpResult result;
  const net::HttpGet get(io, options, [&](net::HttpResult r) { result = std::move(r); });
  io.run();
  if (result.status == 0)
    throw Error(ErrorKind::unreachable, fmt::format("cannot fetch {}: {}", text, result.error));
  if (result.status != 200)
    throw Error(ErrorKind::failed,
                fmt::format("cannot fetch {}: HTTP status {}", text, result.status));
  return std::move(result.body);
}

}  // namespace

Metainfo load_metainfo(const std::string& source, Log& log) {
  const bool is_secure = source.starts_with("https://") && net::can_fetch_securely();
  if (source.starts_with("http://") || is_secure) {
    log.debug("fetching {}", source);
    return parse_metainfo(http_get(source), source);
  }
  const auto scheme = source.find(':');
  for (const std::string_view other : {"https", "magnet", "udp", "ftp", "ws", "wss"})
    if (scheme != std::string::npos && source.substr(0, scheme) == other)
      throw Error(
          ErrorKind::usage,
          fmt::format("{}: cannot fetch a torrent by {}: give a file or http://…", source, other));
  std::error_code ec;
  if (!std::filesystem::exists(source, ec))
    throw Error(ErrorKind::usage, fmt::format("no such torrent: {}", source));
  return parse_metainfo(read_file(source, max_torrent_bytes), source);
}

Metainfo load_metainfo(const std::string& source, const std::vector<std::string>& trackers,
                       const MetadataFetchOptions& options, Log& log) {
  if (!is_magnet(source)) return load_metainfo(source, log);
  Magnet magnet = parse_magnet(source);
  magnet.trackers.insert(magnet.trackers.begin(), trackers.begin(), trackers.end());
  return fetch_metadata(magnet, options, log);
}

std::vector<Endpoint> peers_of_source(const std::string& source) {
  return is_magnet(source) ? parse_magnet(source).peers : std::vector<Endpoint>();
}

std::string payload_kind(const Metainfo& metainfo) {
  if (metainfo.is_tree()) return "files";
  return metainfo.release && metainfo.release->kind == PayloadKind::pack ? "pack" : "file";
}

std::vector<PieceIndex> manifest_pieces(const Metainfo& metainfo) {
  std::vector<PieceIndex> pieces;
  if (!metainfo.release || !metainfo.release->manifest) return pieces;
  const auto& where = *metainfo.release->manifest;
  const auto first = where.offset / metainfo.piece_length;
  const auto last = (where.offset + where.length - 1) / metainfo.piece_length;
  for (auto p = first; p <= last; ++p) pieces.emplace_back(static_cast<std::uint32_t>(p));
  return pieces;
}

std::uint64_t count_files(const Manifest& manifest) {
  return static_cast<std::uint64_t>(std::ranges::count_if(manifest.entries, [](const Entry& e) {
    return e.type == EntryType::file || e.type == EntryType::hardlink;
  }));
}

}  // namespace murder::node
