#include "bittorrent/metainfo.hpp"

#include <algorithm>
#include <bit>
#include <fmt/format.h>
#include <utility>

#include "base/error.hpp"
#include "bittorrent/bencode.hpp"

namespace murder {
namespace {

using bencode::Value;

constexpr std::uint64_t max_payload_bytes = std::uint64_t{1} << 53;
constexpr std::uint32_t min_made_piece_length = 16_KiB;
constexpr std::uint32_t min_read_piece_length = 1_KiB;  // other programs' torrents
constexpr std::uint32_t max_piece_length = 64_MiB;
constexpr std::size_t max_metainfo_bytes = 256_MiB;  // 5 million pieces with both digests
constexpr std::uint32_t max_values = 1u << 21;       // 200,000 files of a hybrid torrent
constexpr std::size_t max_url_bytes = 2048;
constexpr std::size_t max_web_seeds = 64;
constexpr std::int64_t murder_format = 1;

std::optional<TorrentFault> piece_length_fault(std::uint64_t length, std::uint32_t shortest) {
  if (length == 0) return TorrentFault{ErrorKind::integrity, "the piece length is 0"};
  if (!std::has_single_bit(length) || length < shortest || length > max_piece_length)
    return TorrentFault{
        ErrorKind::failed,
        fmt::format("a piece length of {} is not carried, only powers of two from {} to {}", length,
                    shortest, max_piece_length)};
  return std::nullopt;
}

std::optional<std::string> release_fault(const ReleaseInfo& release, std::uint64_t payload_bytes) {
  if (!is_valid_tag(release.tag))
    return fmt::format("the tag '{}' is not made of 1 to 128 of A-Z a-z 0-9 . _ -",
                       printable(release.tag, 140));
  if (release.kind == PayloadKind::file)
    return release.manifest ? std::optional("a file has a manifest") : std::nullopt;
  if (!release.manifest) return "a pack has no manifest";
  const auto& [offset, length, digest] = *release.manifest;
  if (length == 0 || length > payload_bytes || offset > payload_bytes - length)
    return fmt::format("the manifest ({} bytes at {}) is not inside the payload of {} bytes",
                       length, offset, payload_bytes);
  return std::nullopt;
}

std::optional<TorrentFault> find_fault(const Metainfo& m, std::uint32_t shortest_piece_length) {
  const auto integrity = [](std::string reason) {
    return TorrentFault{ErrorKind::integrity, std::move(reason)};
  };
  if (auto fault = name_fault(m.name)) return integrity(*std::move(fault));
  if (m.length == 0)
    return TorrentFault{ErrorKind::failed, "the payload is empty: nothing to carry"};
  if (m.length > max_payload_bytes)
    return integrity(fmt::format("a payload of {} bytes is beyond reason", m.length));
  if (auto fault = piece_length_fault(m.piece_length, shortest_piece_length)) return fault;
  const std::uint64_t pieces = (m.length - 1) / m.piece_length + 1;
  if (m.piece_sha1.size() != pieces)
    return integrity(fmt::format("{} bytes in pieces of {} need {} SHA-1 digests, not {}", m.length,
                                 m.piece_length, pieces, m.piece_sha1.size()));
  if (!m.piece_sha256.empty() && m.piece_sha256.size() != pieces)
    return integrity(fmt::format("{} pieces need {} SHA-256 digests, not {}", pieces, pieces,
                                 m.piece_sha256.size()));
  if (m.release && m.is_tree()) return integrity("a release of murder is one file, not several");
  if (m.release)
    if (auto fault = release_fault(*m.release, m.length)) return integrity(*std::move(fault));
  return std::nullopt;
}

template <class D>
std::string join_digests(const std::vector<D>& digests) {
  std::string out;
  out.reserve(digests.size() * D::size);
  for (const D& digest : digests) out += digest.view();
  return out;
}

std::string encode_release(const ReleaseInfo& release) {
  bencode::DictionaryEncoder out;
  out.integer("format", murder_format);
  out.string("kind", release.kind == PayloadKind::pack ? "pack" : "file");
  out.string("tag", release.tag);
  if (release.manifest)
    out.encoded("manifest", bencode::DictionaryEncoder()
                                .integer("length", std::int64_t(release.manifest->length))
                                .integer("offset", std::int64_t(release.manifest->offset))
                                .string("sha256", release.manifest->sha256.view())
                                .encode());
  return out.encode();
}

std::string encode_info(const Metainfo& m) {
  bencode::DictionaryEncoder info;
  info.integer("length", std::int64_t(m.length));
  info.string("name", m.name);
  info.integer("piece length", m.piece_length);
  info.string("pieces", join_digests(m.piece_sha1));
  if (!m.piece_sha256.empty()) info.string("piece sha256", join_digests(m.piece_sha256));
  if (m.is_private) info.integer("private", 1);
  if (m.release) info.encoded("murder", encode_release(*m.release));
  return info.encode();
}

InfoHash hash_info(std::string_view info_bytes) { return InfoHash{sha1(info_bytes).bytes}; }

/// Takes the keys of a torrent apart; every complaint names the source.
class Reader {
 public:
  explicit Reader(std::string_view source) : source_(source) {}

  [[noreturn]] void fail(ErrorKind kind, const std::string& reason) const {
    throw Error(kind, fmt::format("cannot read torrent {}: {}", printable(source_), reason));
  }
  [[noreturn]] void fail(const std::string& reason) const { fail(ErrorKind::integrity, reason); }

  Value parse(std::string_view bytes) const {
    bencode::ParseOptions options;
    options.max_bytes = max_metainfo_bytes;
    options.max_values = max_values;
    try {
      return bencode::parse(bytes, options);
    } catch (const bencode::SyntaxError& error) {
      fail(fmt::format("not bencode: {}", error.what()));
    }
  }

  Metainfo info(const Value& info) const {
    if (!info.dictionary()) fail(fmt::format("info is {}, not a dictionary", info.kind_name()));
    refuse_other_shapes(info);
    Metainfo m;
    m.name = string(info, "name");
    read_length(info, m);
    m.piece_length = piece_length(info);
    m.piece_sha1 = digests<Sha1Digest>(info, "pieces");
    if (info.find("piece sha256")) {
      m.piece_sha256 = digests<Sha256Digest>(info, "piece sha256");
      if (m.piece_sha256.empty()) fail("'piece sha256' is empty");
    }
    if (info.find("private")) m.is_private = count(info, "private") != 0;
    if (const Value* release = info.find("murder")) m.release = release_info(*release);
    m.info_bytes = info.raw();
    m.info_hash = hash_info(m.info_bytes);
    if (const auto fault = find_fault(m, min_read_piece_length)) fail(fault->kind, fault->reason);
    return m;
  }

  std::vector<std::vector<std::string>> trackers(const Value& file) const {
    std::vector<std::vector<std::string>> tiers;
    if (const Value* list = file.find("announce-list")) {
      for (const Value& tier : items(*list, "announce-list")) {
        std::vector<std::string> urls;
        for (const Value& url : items(tier, "a tier of announce-list"))
          add_url(urls, url, "announce");
        if (!urls.empty()) tiers.push_back(std::move(urls));
      }
    }
    const Value* announce = file.find("announce");
    if (tiers.empty() && announce) {
      std::vector<std::string> urls;
      add_url(urls, *announce, "announce");
      if (!urls.empty()) tiers.push_back(std::move(urls));
    }
    return tiers;
  }

  /// One URL, or a list of them; others write an empty one for none.
  std::vector<std::string> web_seeds(const Value& file) const {
    std::vector<std::string> urls;
    const Value* seeds = file.find("url-list");
    if (!seeds) return urls;
    if (seeds->string()) {
      add_url(urls, *seeds, "url-list");
      return urls;
    }
    const Value::List& list = items(*seeds, "url-list");
    if (list.size() > max_web_seeds)
      fail(fmt::format("it names {} web seeds, more than {}", list.size(), max_web_seeds));
    for (const Value& url : list) add_url(urls, url, "a URL of url-list");
    return urls;
  }

 private:
  /// Torrents of kinds that murder does not carry, said before any key is missed.
  void refuse_other_shapes(const Value& info) const {
    if (info.find("files") && info.find("length")) fail("info has both 'length' and 'files'");
    if (!info.find("pieces") && info.find("meta version"))
      fail(ErrorKind::failed,
           "it is a BitTorrent v2 torrent alone; murder carries v1 and hybrid torrents");
  }

  void read_length(const Value& info, Metainfo& m) const {
    const Value* files = info.find("files");
    if (!files) {
      m.length = count(info, "length");
      return;
    }
    try {
      m.files = read_torrent_files(*files);
    } catch (const TorrentFault& fault) {
      fail(fault.kind, fault.reason);
    }
    m.length = m.files.back().offset + m.files.back().length;
  }

  const Value& required(const Value& dictionary, std::string_view key) const {
    const Value* value = dictionary.find(key);
    if (!value) fail(fmt::format("'{}' is missing", key));
    return *value;
  }

  [[noreturn]] void fail_kind(std::string_view key, const Value& value,
                              std::string_view wanted) const {
    fail(fmt::format("'{}' is {}, not {}", key, value.kind_name(), wanted));
  }

  std::string string(const Value& dictionary, std::string_view key) const {
    const Value& value = required(dictionary, key);
    const auto text = value.string();
    if (!text) fail_kind(key, value, "a string");
    return std::string(*text);
  }

  std::uint64_t count(const Value& dictionary, std::string_view key) const {
    const Value& value = required(dictionary, key);
    const auto number = value.integer();
    if (!number) fail_kind(key, value, "an integer");
    if (*number < 0) fail(fmt::format("'{}' is {}, less than nothing", key, *number));
    return static_cast<std::uint64_t>(*number);
  }

  std::uint32_t piece_length(const Value& info) const {
    const std::uint64_t length = count(info, "piece length");
    if (const auto fault = piece_length_fault(length, min_read_piece_length))
      fail(fault->kind, fault->reason);
    return static_cast<std::uint32_t>(length);
  }

  template <class D>
  std::vector<D> digests(const Value& info, std::string_view key) const {
    const Value& value = required(info, key);
    const auto joined = value.string();
    if (!joined) fail_kind(key, value, "a string");
    if (joined->size() % D::size != 0)
      fail(fmt::format("'{}' is {} bytes, not a multiple of {}", key, joined->size(), D::size));
    std::vector<D> out(joined->size() / D::size);
    for (std::size_t i = 0; i < out.size(); ++i)
      std::ranges::copy(joined->substr(i * D::size, D::size), out[i].bytes.begin());
    return out;
  }

  ReleaseInfo release_info(const Value& murder) const {
    if (!murder.dictionary()) fail_kind("murder", murder, "a dictionary");
    const std::uint64_t format = count(murder, "format");
    if (format > std::uint64_t{murder_format})
      fail(ErrorKind::failed,
           fmt::format("made by a newer murder (format {}, this one reads {}): upgrade murder",
                       format, murder_format));
    if (format < std::uint64_t{murder_format}) fail("its murder format is 0");
    ReleaseInfo release;
    release.kind = payload_kind(string(murder, "kind"));
    release.tag = string(murder, "tag");
    if (const Value* manifest = murder.find("manifest")) {
      if (!manifest->dictionary()) fail_kind("manifest", *manifest, "a dictionary");
      const auto sha256 = digests<Sha256Digest>(*manifest, "sha256");
      if (sha256.size() != 1)
        fail(fmt::format("the manifest's sha256 is {} bytes, not 32", sha256.size() * 32));
      release.manifest = {count(*manifest, "offset"), count(*manifest, "length"), sha256.front()};
    }
    return release;
  }

  PayloadKind payload_kind(std::string_view kind) const {
    if (kind == "pack") return PayloadKind::pack;
    if (kind == "file") return PayloadKind::file;
    fail(fmt::format("its murder kind is '{}', neither pack nor file", printable(kind, 40)));
  }

  const Value::List& items(const Value& value, std::string_view key) const {
    if (!value.list()) fail_kind(key, value, "a list");
    return *value.list();
  }

  void add_url(std::vector<std::string>& urls, const Value& value, std::string_view key) const {
    const auto url = value.string();
    if (!url) fail_kind(key, value, "a string");
    if (url->size() > max_url_bytes)
      fail(fmt::format("'{}': a URL is {} bytes long", key, url->size()));
    if (!url->empty()) urls.emplace_back(*url);
  }

  std::string_view source_;
};

}  // namespace

std::uint32_t Metainfo::piece_size(PieceIndex piece) const {
  const std::uint64_t offset = piece_offset(piece);
  if (offset >= length) return 0;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(piece_length, length - offset));
}

std::uint64_t Metainfo::file_count() const {
  if (!is_tree()) return 1;
  return static_cast<std::uint64_t>(
      std::ranges::count_if(files, [](const TorrentFile& f) { return !f.is_padding; }));
}

std::uint64_t Metainfo::file_bytes() const {
  std::uint64_t bytes = is_tree() ? 0 : length;
  for (const TorrentFile& file : files)
    if (!file.is_padding) bytes += file.length;
  return bytes;
}

std::uint32_t default_piece_length(std::uint64_t size_bytes) {
  // What a piece costs, its announcements above all, is half as much a byte as with 16 KiB. But a
  // small release in few pieces takes longer through the fleet.
  const std::uint32_t shortest = size_bytes < 8_MiB ? 16_KiB : 32_KiB;
  static constexpr std::uint32_t longest = 4_MiB;
  std::uint32_t length = shortest;
  while (length < longest && std::uint64_t{length} * 2048 < size_bytes) length *= 2;
  return length;
}

bool is_valid_tag(std::string_view tag) {
  const auto allowed = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !tag.empty() && tag.size() <= 128 && tag != "." && tag != ".." &&
         std::ranges::all_of(tag, allowed);
}

Metainfo make_metainfo(Metainfo fields) {
  const auto fail = [&](const std::string& reason) {
    throw Error(ErrorKind::usage,
                fmt::format("cannot make a torrent of '{}': {}", printable(fields.name), reason));
  };
  if (fields.is_tree()) fail("murder makes torrents of one file; murder pack makes one of a tree");
  if (const auto fault = find_fault(fields, min_made_piece_length)) fail(fault->reason);
  for (const auto& tier : fields.trackers)
    for (const std::string& url : tier)
      if (url.empty() || url.size() > max_url_bytes)
        fail(fmt::format("a tracker's URL is {} bytes long", url.size()));
  if (fields.web_seeds.size() > max_web_seeds)
    fail(
        fmt::format("it names {} web seeds, more than {}", fields.web_seeds.size(), max_web_seeds));
  for (const std::string& url : fields.web_seeds)
    if (url.empty() || url.size() > max_url_bytes)
      fail(fmt::format("a web seed's URL is {} bytes long", url.size()));
  std::erase_if(fields.trackers, [](const auto& tier) { return tier.empty(); });
  fields.info_bytes = encode_info(fields);
  fields.info_hash = hash_info(fields.info_bytes);
  return fields;
}

std::string encode_metainfo(const Metainfo& metainfo) {
  bencode::DictionaryEncoder file;
  std::vector<std::string> tiers;
  std::size_t tracker_count = 0;
  for (const auto& tier : metainfo.trackers) {
    if (tier.empty()) continue;
    if (tracker_count == 0) file.string("announce", tier.front());
    tracker_count += tier.size();
    std::vector<std::string> urls;
    urls.reserve(tier.size());
    for (const std::string& url : tier) urls.push_back(bencode::encode_string(url));
    tiers.push_back(bencode::encode_list(urls));
  }
  if (tracker_count > 1) file.encoded("announce-list", bencode::encode_list(tiers));
  file.string("created by", "murder " MURDER_VERSION);
  file.encoded("info", metainfo.info_bytes);
  std::vector<std::string> web_seeds;
  web_seeds.reserve(metainfo.web_seeds.size());
  for (const std::string& url : metainfo.web_seeds)
    web_seeds.push_back(bencode::encode_string(url));
  if (!web_seeds.empty()) file.encoded("url-list", bencode::encode_list(web_seeds));
  return file.encode();
}

Metainfo parse_metainfo(std::string_view file, std::string_view source) {
  const Reader reader(source);
  const Value value = reader.parse(file);
  if (!value.dictionary())
    reader.fail(fmt::format("it is {}, not a dictionary", value.kind_name()));
  const Value* info = value.find("info");
  if (!info) reader.fail("it has no info dictionary");
  Metainfo metainfo = reader.info(*info);
  metainfo.trackers = reader.trackers(value);
  metainfo.web_seeds = reader.web_seeds(value);
  return metainfo;
}

Metainfo parse_info(std::string_view info_bytes, std::string_view source) {
  const Reader reader(source);
  return reader.info(reader.parse(info_bytes));
}

}  // namespace murder
