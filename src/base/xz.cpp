#include "base/xz.hpp"

#include <algorithm>
#include <lzma.h>

#include "base/error.hpp"

namespace murder {
namespace {

/// As busybox and the kernel want it: they know no other checksum but this one.
constexpr lzma_check checksum = LZMA_CHECK_CRC32;
constexpr std::uint32_t preset = 6 | LZMA_PRESET_EXTREME;

const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

std::uint8_t* bytes_of(std::string& text) { return reinterpret_cast<std::uint8_t*>(text.data()); }

}  // namespace

std::string xz(std::string_view content, XzFilter filter) {
  lzma_options_lzma options{};
  lzma_lzma_preset(&options, preset);
  // The host needs as much memory as this to unpack it.
  options.dict_size = static_cast<std::uint32_t>(
      std::clamp<std::size_t>(content.size(), LZMA_DICT_SIZE_MIN, options.dict_size));
  lzma_filter filters[3] = {
      {LZMA_FILTER_X86, nullptr}, {LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
  std::string out(lzma_stream_buffer_bound(content.size()), '\0');
  std::size_t size = 0;
  const lzma_ret result = lzma_stream_buffer_encode(
      filter == XzFilter::x86 ? filters : filters + 1, checksum, nullptr, bytes_of(content),
      content.size(), bytes_of(out), &size, out.size());
  if (result != LZMA_OK) throw Error(ErrorKind::failed, "cannot compress: out of memory");
  out.resize(size);
  return out;
}

std::optional<std::string> unxz(std::string_view compressed, std::size_t size) {
  std::uint64_t memory = 256u << 20;
  std::string out(size, '\0');
  std::size_t read = 0;
  std::size_t written = 0;
  const lzma_ret result =
      lzma_stream_buffer_decode(&memory, 0, nullptr, bytes_of(compressed), &read, compressed.size(),
                                bytes_of(out), &written, out.size());
  if (result != LZMA_OK || read != compressed.size() || written != size) return std::nullopt;
  return out;
}

}  // namespace murder
