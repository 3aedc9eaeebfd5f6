#include "release/manifest.hpp"

#include <fmt/format.h>
#include <limits>
#include <memory>
#include <zstd.h>

#include "base/error.hpp"
#include "base/units.hpp"
#include "release/limits.hpp"
#include "release/manifest_codec.hpp"
#include "release/varint.hpp"

namespace murder {
namespace {

// Mtimes made from a digest lie in these 17 years: past on every clock that is set, so that no
// build tool or cache meets a file from the future.
constexpr std::int64_t first_digest_mtime = 1'000'000'000;  // 2001-09-09
constexpr std::uint64_t digest_mtime_span = 1u << 29;

// Level for the manifest: most of it is digests, which no level makes smaller.
constexpr int manifest_level = 9;

[[noreturn]] void refuse(std::string_view source, std::string_view reason) {
  throw Error(ErrorKind::integrity,
              fmt::format("cannot read the manifest of {}: {}", printable(source), reason));
}

std::string decompress(std::string_view stored, std::string_view source) {
  const unsigned long long size = ZSTD_getFrameContentSize(stored.data(), stored.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
    refuse(source, "it is not a zstd frame of known size");
  if (size > max_manifest_body_bytes)
    refuse(source, fmt::format("it says it is {} large", format_bytes(size)));
  if (ZSTD_findFrameCompressedSize(stored.data(), stored.size()) != stored.size())
    refuse(source, "it is not one whole zstd frame");
  std::string body(static_cast<std::size_t>(size), '\0');
  const std::size_t result =
      ZSTD_decompress(body.data(), body.size(), stored.data(), stored.size());
  if (ZSTD_isError(result) != 0) refuse(source, ZSTD_getErrorName(result));
  if (result != body.size()) refuse(source, "it is shorter than it says");
  return body;
}

}  // namespace

Sha256Digest Manifest::content_digest() const {
  std::string record = "murder content 1\n";
  record += static_cast<char>(mtime_policy);
  if (mtime_policy == MtimePolicy::fixed) put_signed(record, fixed_mtime);
  Sha256Stream stream;
  for (const Entry& entry : entries) {
    put_bytes(record, entry.path);
    record += static_cast<char>(entry.type);
    if (entry.type == EntryType::file || entry.type == EntryType::directory)
      put_varint(record, entry.mode);
    else
      put_bytes(record, entry.link_target);
    if (entry.type == EntryType::file) {
      put_varint(record, entry.size);
      record += entry.sha256.view();
    }
    if (mtime_policy == MtimePolicy::source) put_signed(record, entry.mtime);
    stream.update(as_bytes(record));
    record.clear();
  }
  stream.update(as_bytes(record));
  return stream.finish();
}

std::string Manifest::default_tag() const { return content_digest().hex().substr(0, 12); }

std::int64_t Manifest::mtime_of(const Entry& entry) const { return MtimeRule(*this)(entry); }

MtimeRule::MtimeRule(const Manifest& manifest) {
  switch (manifest.mtime_policy) {
    case MtimePolicy::source:
      return;
    case MtimePolicy::fixed:
      shared_ = manifest.fixed_mtime;
      return;
    case MtimePolicy::from_digest: {
      std::uint64_t number = 0;
      const Sha256Digest digest = manifest.content_digest();
      for (std::size_t i = 0; i < sizeof number; ++i) number = number << 8 | digest.bytes[i];
      shared_ = first_digest_mtime + static_cast<std::int64_t>(number % digest_mtime_span);
    }
  }
}

std::uint64_t Manifest::total_file_bytes() const {
  std::uint64_t total = 0;
  for (const Entry& entry : entries)
    if (entry.type == EntryType::file) total += entry.size;
  return total;
}

std::string encode_manifest(const Manifest& manifest) {
  const std::string body = encode_manifest_body(manifest);
  if (manifest.entries.size() > max_entries || body.size() > max_manifest_body_bytes)
    throw Error(ErrorKind::failed,
                fmt::format("cannot write a manifest of {} entries and {}: the most is {} and {}",
                            manifest.entries.size(), format_bytes(body.size()), max_entries,
                            format_bytes(max_manifest_body_bytes)));
  std::string stored(ZSTD_compressBound(body.size()), '\0');
  const std::size_t size =
      ZSTD_compress(stored.data(), stored.size(), body.data(), body.size(), manifest_level);
  if (ZSTD_isError(size) != 0) throw std::bad_alloc();
  stored.resize(size);
  return stored;
}

Manifest decode_manifest(std::string_view stored, std::string_view source) {
  try {
    return decode_manifest_body(decompress(stored, source));
  } catch (const Malformed& malformed) {
    refuse(source, malformed.what());
  }
}

}  // namespace murder
