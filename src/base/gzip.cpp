#include "base/gzip.hpp"

#include <algorithm>
#include <memory>
#include <new>
#include <zlib.h>

namespace murder {
namespace {

constexpr int gzip_window = MAX_WBITS + 16;  // 16: zlib's way to say gzip
constexpr std::size_t step = 1u << 20;

/// zlib counts in unsigned int: hands the content to the stream part by part.
class Feeder {
 public:
  Feeder(z_stream& stream, std::string_view content) : stream_(stream), rest_(content) {}
  /// Whether all of it has been handed over.
  bool feed() {
    if (stream_.avail_in == 0 && !rest_.empty()) {
      const std::size_t size = std::min(rest_.size(), step);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest_.data()));
      stream_.avail_in = static_cast<uInt>(size);
      rest_.remove_prefix(size);
    }
    return rest_.empty();
  }

 private:
  z_stream& stream_;
  std::string_view rest_;
};

void lend(z_stream& stream, std::string& buffer) {
  stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
  stream.avail_out = static_cast<uInt>(buffer.size());
}

}  // namespace

std::string gzip(std::string_view content, int level) {
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, gzip_window, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) !=
      Z_OK)
    throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, &deflateEnd);
  Feeder feeder(stream, content);
  std::string out;
  std::string buffer(step, '\0');
  for (int result = Z_OK; result != Z_STREAM_END;) {
    const bool all = feeder.feed();
    lend(stream, buffer);
    result = deflate(&stream, all ? Z_FINISH : Z_NO_FLUSH);
    out.append(buffer, 0, buffer.size() - stream.avail_out);
  }
  return out;
}

std::optional<std::string> gunzip(std::string_view compressed, std::uint64_t limit) {
  z_stream stream{};
  if (inflateInit2(&stream, gzip_window) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, &inflateEnd);
  Feeder feeder(stream, compressed);
  std::string out;
  std::string buffer(step, '\0');
  for (;;) {
    const bool all = feeder.feed();
    lend(stream, buffer);
    const int result = inflate(&stream, Z_NO_FLUSH);
    out.append(buffer, 0, buffer.size() - stream.avail_out);
    if (out.size() > limit) return std::nullopt;
    if (result == Z_STREAM_END)
      return all && stream.avail_in == 0 ? std::optional(std::move(out)) : std::nullopt;
    // Z_BUF_ERROR: nothing came of it, so that more input is wanted.
    const bool wants_more = result == Z_OK || result == Z_BUF_ERROR;
    if (!wants_more || (all && stream.avail_in == 0 && stream.avail_out != 0)) return std::nullopt;
  }
}

}  // namespace murder
