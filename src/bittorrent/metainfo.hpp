// Metainfo: the .torrent file (BEP 3, private flag BEP 27, tracker tiers BEP 12, web seeds BEP 19),
// made and read.
//
// murder adds two keys to the info dictionary, so that the info-hash covers them and stock clients
// skip them: "piece sha256" (32 bytes a piece) and "murder" (what the payload is). Torrents of
// several files are read, as other programs make them, v1 or hybrid; murder makes none. No I/O
// here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "base/units.hpp"
#include "bittorrent/torrent_files.hpp"

namespace murder {

enum class PayloadKind { pack, file };

/// The "murder" key of the info dictionary.
struct ReleaseInfo {
  PayloadKind kind = PayloadKind::file;
  std::string tag;
  /// Where the pack's manifest lies in the payload; absent for kind file.
  struct ManifestLocation {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    Sha256Digest sha256;
    friend bool operator==(const ManifestLocation&, const ManifestLocation&) = default;
  };
  std::optional<ManifestLocation> manifest;
  friend bool operator==(const ReleaseInfo&, const ReleaseInfo&) = default;
};

/// One payload, cut into pieces. Always valid: parse_metainfo and make_metainfo check it.
struct Metainfo {
  std::string name;  ///< of the payload's file, or of the folder of its files: one path component
  std::uint64_t length = 0;
  std::vector<TorrentFile> files;  ///< empty: the payload is one file
  std::uint32_t piece_length = 0;
  std::vector<Sha1Digest> piece_sha1;
  std::vector<Sha256Digest> piece_sha256;  ///< empty when the torrent has none (not made by murder)
  bool is_private = false;
  std::optional<ReleaseInfo> release;              ///< absent in other programs' torrents
  std::vector<std::vector<std::string>> trackers;  ///< tiers, BEP 12; outside the info-hash
  std::vector<std::string> web_seeds;              ///< URLs, BEP 19; outside the info-hash
  InfoHash info_hash;
  std::string info_bytes;  ///< the bencoded info dictionary, as hashed

  std::uint32_t piece_count() const { return static_cast<std::uint32_t>(piece_sha1.size()); }
  std::uint32_t piece_size(PieceIndex piece) const;  ///< the last one may be shorter
  std::uint64_t piece_offset(PieceIndex piece) const {
    return std::uint64_t{piece.value()} * piece_length;
  }
  bool is_tree() const { return !files.empty(); }
  std::uint64_t file_count() const;  ///< without padding
  std::uint64_t file_bytes() const;  ///< without padding
  /// The tag it names itself by: the release's, else the payload's file name.
  const std::string& tag() const { return release ? release->tag : name; }
  friend bool operator==(const Metainfo&, const Metainfo&) = default;
};

/// A power of two from the size alone: at least size/2048, within 32 KiB (16 KiB below
/// 8 MiB) to 4 MiB.
std::uint32_t default_piece_length(std::uint64_t size_bytes);

/// `[A-Za-z0-9._-]{1,128}`, not "." or "..".
bool is_valid_tag(std::string_view tag);

/// Fills in info_bytes and info_hash from the other fields. Throws Error{usage} when they do not
/// make a valid torrent (piece length not a power of two within 16 KiB..64 MiB, counts that do not
/// fit, a name that is not one path component, a bad tag, an empty payload, several files).
Metainfo make_metainfo(Metainfo fields);

/// The .torrent file: announce, announce-list, created by, info, url-list. Deterministic; the info
/// dictionary goes in as it was read, with the keys of other programs.
std::string encode_metainfo(const Metainfo& metainfo);

/// Reads a .torrent file. `source` names it in errors. Throws Error{integrity} for anything
/// truncated, not bencode, inconsistent or unsafe (a name that climbs), Error{failed} for what is
/// valid but not carried (v2 only, a symlink, a piece length that is no power of two within
/// 1 KiB..64 MiB, a format of a newer murder).
Metainfo parse_metainfo(std::string_view file, std::string_view source);
/// The same from a bare info dictionary, as peers send it (BEP 9).
Metainfo parse_info(std::string_view info_bytes, std::string_view source);

}  // namespace murder
