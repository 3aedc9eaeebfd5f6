#include "release/trailer.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace murder {
namespace {

constexpr std::string_view magic = "MURDPACK";
constexpr std::uint32_t version = 1;

template <class Integer>
void put_little_endian(std::string& out, Integer value) {
  for (std::size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

template <class Integer>
Integer little_endian(std::string_view raw) {
  Integer value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i)
    value |=
        static_cast<Integer>(static_cast<Integer>(static_cast<unsigned char>(raw[i])) << (8 * i));
  return value;
}

[[noreturn]] void refuse(std::string_view source, std::string_view reason) {
  throw Error(ErrorKind::integrity,
              fmt::format("cannot read {} as a pack: {}", printable(source), reason));
}

}  // namespace

std::string skippable_header(std::uint32_t frame_magic, std::uint32_t content_bytes) {
  std::string out;
  put_little_endian(out, frame_magic);
  put_little_endian(out, content_bytes);
  return out;
}

std::string encode_trailer(const Trailer& trailer) {
  std::string out(magic);
  put_little_endian(out, version);
  put_little_endian(out, std::uint32_t{0});  // reserved
  put_little_endian(out, trailer.manifest_offset);
  put_little_endian(out, trailer.manifest_length);
  out += trailer.manifest_sha256.view();
  return out;
}

Trailer decode_trailer(std::string_view raw, std::uint64_t pack_size, std::string_view source) {
  if (raw.size() != trailer_bytes || !raw.starts_with(magic))
    refuse(source, "it does not end with a pack's trailer");
  if (const auto found = little_endian<std::uint32_t>(raw.substr(8)); found != version)
    refuse(source, fmt::format("its version {} is not known here", found));
  if (little_endian<std::uint32_t>(raw.substr(12)) != 0)
    refuse(source, "its trailer's reserved bytes are not zero");
  const Trailer trailer{.manifest_offset = little_endian<std::uint64_t>(raw.substr(16)),
                        .manifest_length = little_endian<std::uint64_t>(raw.substr(24)),
                        .manifest_sha256 = *Sha256Digest::from_bytes(raw.substr(32))};
  constexpr std::uint64_t behind = skippable_header_bytes + trailer_bytes;
  if (trailer.manifest_offset < skippable_header_bytes || pack_size < behind ||
      trailer.manifest_offset > pack_size - behind ||
      trailer.manifest_length != pack_size - behind - trailer.manifest_offset)
    refuse(source, "its manifest is not where its trailer says");
  return trailer;
}

}  // namespace murder
