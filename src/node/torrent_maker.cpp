#include "node/torrent_maker.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits>
#include <mutex>
#include <span>
#include <thread>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "bittorrent/announce.hpp"
#include "bittorrent/magnet.hpp"
#include "host/layout.hpp"
#include "node/metainfo_source.hpp"
#include "node/web_source.hpp"

namespace murder::node {
namespace {

namespace fs = std::filesystem;

Sha256Digest sha256_of_file(const fs::path& path) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  const std::uint64_t size = file_size(fd.get(), path);
  Sha256Stream stream;
  std::vector<std::uint8_t> buffer(1u << 20);
  for (std::uint64_t done = 0; done < size;) {
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - done));
    if (!read_exactly_at(fd.get(), std::span(buffer).first(count), done, path))
      throw Error(ErrorKind::failed,
                  fmt::format("{} became shorter while it was read", path.string()));
    stream.update(std::span(buffer).first(count));
    done += count;
  }
  return stream.finish();
}

std::string torrent_name(const fs::path& output) {
  std::string name = output.string();
  if (name.ends_with(".tar.zst")) name.resize(name.size() - 8);
  return name + ".torrent";
}

Metainfo describe(const PackRequest& request, const std::string& name, std::uint64_t length) {
  Metainfo metainfo;
  metainfo.name = name;
  metainfo.length = length;
  if (request.piece_length_bytes > std::numeric_limits<std::uint32_t>::max())
    throw Error(ErrorKind::usage, "--piece-length: too long");
  metainfo.piece_length = request.piece_length_bytes != 0
                              ? static_cast<std::uint32_t>(request.piece_length_bytes)
                              : default_piece_length(length);
  metainfo.is_private = true;
  for (const std::string& tracker : request.trackers)
    metainfo.trackers.push_back({parse_tracker_url(tracker).to_string()});
  metainfo.web_seeds = request.web_seeds;
  return metainfo;
}

void write_torrent(const fs::path& path, const Metainfo& metainfo) {
  write_file_atomically(path, encode_metainfo(metainfo));
}

}  // namespace

void hash_pieces(const fs::path& payload, Metainfo& metainfo) {
  const UniqueFd fd = open_file(payload, O_RDONLY);
  const std::uint64_t count = (metainfo.length + metainfo.piece_length - 1) / metainfo.piece_length;
  metainfo.piece_sha1.resize(count);
  metainfo.piece_sha256.resize(count);
  std::atomic<std::uint32_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  const auto work = [&] {
    try {
      std::vector<std::uint8_t> buffer(metainfo.piece_length);
      for (std::uint32_t i = next++; i < count; i = next++) {
        const auto data = std::span(buffer).first(metainfo.piece_size(PieceIndex(i)));
        if (!read_exactly_at(fd.get(), data, metainfo.piece_offset(PieceIndex(i)), payload))
          throw Error(ErrorKind::failed,
                      fmt::format("{} became shorter while it was read", payload.string()));
        metainfo.piece_sha1[i] = sha1(data);
        metainfo.piece_sha256[i] = sha256(data);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      error = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> workers;
    for (unsigned t = 1; t < std::thread::hardware_concurrency(); ++t) workers.emplace_back(work);
    work();
  }
  if (error) std::rethrow_exception(error);
}

namespace {

/// Empty: the content's own.
void refuse_bad_tag(const std::string& tag) {
  if (tag.empty() || layout::is_release_tag(tag)) return;
  throw Error(
      ErrorKind::usage,
      fmt::format("--tag: '{}' cannot be a tag: 1 to 128 of A-Z a-z 0-9 . _ -, not . or .., and "
                  "not ending in {}",
                  printable(tag), layout::partial_suffix));
}

events::Packed make_raw(const PackRequest& request) {
  if (request.output.extension() != ".torrent")
    throw Error(ErrorKind::usage,
                fmt::format("a file is carried as it is, so -o names its torrent: {}.torrent",
                            request.output.string()));
  const std::uint64_t size = fs::file_size(request.source);
  if (size == 0) throw Error(ErrorKind::usage, fmt::format("{} is empty", request.source.string()));
  Metainfo metainfo = describe(request, request.source.filename().string(), size);
  ReleaseInfo release;
  release.kind = PayloadKind::file;
  release.tag =
      request.tag.empty() ? sha256_of_file(request.source).hex().substr(0, 12) : request.tag;
  metainfo.release = release;
  hash_pieces(request.source, metainfo);
  metainfo = make_metainfo(std::move(metainfo));
  write_torrent(request.output, metainfo);
  events::Packed packed;
  packed.tag = metainfo.tag();
  packed.magnet = magnet_of(metainfo).to_string();
  packed.path = request.source.string();
  packed.torrent = request.output.string();
  packed.pack_bytes = packed.source_bytes = size;
  packed.files = 1;
  return packed;
}

events::Packed make_pack(const PackRequest& request) {
  if (request.output.extension() == ".torrent")
    throw Error(ErrorKind::usage, fmt::format("{} is a folder, so -o names its pack: FILE.tar.zst",
                                              request.source.string()));
  const fs::path torrent = torrent_name(request.output);
  PackOptions options = request.options;
  options.leave_out.push_back(torrent);
  const PackResult result = write_pack(request.source, request.output, options);
  ReleaseInfo release;
  release.kind = PayloadKind::pack;
  release.tag = request.tag.empty() ? result.manifest.default_tag() : request.tag;
  release.manifest = {result.manifest_offset, result.manifest_length, result.manifest_sha256};
  Metainfo metainfo = describe(request, release.tag + ".tar.zst", result.pack_size);
  metainfo.release = release;
  hash_pieces(request.output, metainfo);
  metainfo = make_metainfo(std::move(metainfo));
  write_torrent(torrent, metainfo);
  events::Packed packed;
  packed.tag = metainfo.tag();
  packed.magnet = magnet_of(metainfo).to_string();
  packed.path = request.output.string();
  packed.torrent = torrent.string();
  packed.pack_bytes = result.pack_size;
  packed.source_bytes = result.manifest.total_file_bytes();
  packed.files = count_files(result.manifest);
  return packed;
}

}  // namespace

events::Packed make_release(const PackRequest& request) {
  refuse_bad_tag(request.tag);
  for (const std::string& tracker : request.trackers) parse_tracker_url(tracker);
  for (const std::string& url : request.web_seeds) web_seed_url(url, "");
  std::error_code ec;
  const fs::file_status status = fs::status(request.source, ec);
  if (!fs::exists(status))
    throw Error(ErrorKind::usage,
                fmt::format("no such file or folder: {}", printable(request.source.native())));
  const auto begin = std::chrono::steady_clock::now();
  events::Packed packed = fs::is_directory(status) ? make_pack(request) : make_raw(request);
  packed.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  packed.mb_per_s = static_cast<double>(packed.source_bytes) / 1e6 / packed.seconds;
  return packed;
}

}  // namespace murder::node
