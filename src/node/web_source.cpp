#include "node/web_source.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <fmt/format.h>
#include <optional>

#include "base/error.hpp"
#include "bittorrent/query_string.hpp"

namespace murder::node {
namespace {

using swarm::WebOutcome;

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  return ec == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                               : std::nullopt;
}

/// Seconds, or a date (RFC 9110); zero for anything else.
Duration retry_after_of(const std::string& text, std::int64_t now_s) {
  constexpr std::int64_t most_s = std::int64_t{24} * 3600;
  if (const auto seconds = number<std::int64_t>(text))
    return std::chrono::seconds(std::clamp<std::int64_t>(*seconds, 0, most_s));
  std::tm date{};
  const char* const end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (text.empty() || end == nullptr || *end != '\0') return {};
  return std::chrono::seconds(std::clamp<std::int64_t>(::timegm(&date) - now_s, 0, most_s));
}

/// "bytes 0-99/200" says where what came begins and how long the whole is; "*": not known.
bool fits(std::string_view content_range, const ByteRange& range, std::uint64_t total) {
  const auto dash = content_range.find('-');
  const auto slash = content_range.find('/');
  if (!content_range.starts_with("bytes ") || dash == std::string_view::npos ||
      slash == std::string_view::npos || slash < dash)
    return false;
  const auto begin = number<std::uint64_t>(content_range.substr(6, dash - 6));
  const auto last = number<std::uint64_t>(content_range.substr(dash + 1, slash - dash - 1));
  const std::string_view whole = content_range.substr(slash + 1);
  return begin == range.begin && last == range.begin + range.length - 1 &&
         (whole == "*" || number<std::uint64_t>(whole) == total);
}

bool is_folder(std::string_view url) { return url.substr(0, url.find('?')).ends_with('/'); }

/// Each of its components.
std::string encode_path(std::string_view path) {
  std::string encoded;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (begin > 0) encoded += '/';
    encoded += percent_encode(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return encoded;
}

/// Of a torrent of several files: where those lie.
std::string folder_of(const std::string& url, const Metainfo& metainfo) {
  return fmt::format("{}{}{}/", url, is_folder(url) ? "" : "/", encode_path(metainfo.name));
}

}  // namespace

HttpUrl web_seed_url(const std::string& url, std::string_view path) {
  return parse_http_url(is_folder(url) ? url + encode_path(path) : url, "web seed",
                        net::can_fetch_securely());
}

void check_web_seed(const std::string& url, const Metainfo& metainfo) {
  if (metainfo.is_tree() && url.find('?') != std::string::npos)
    throw Error(ErrorKind::usage,
                fmt::format("cannot use web seed '{}': {} holds several files, and a URL with a "
                            "query names one",
                            shown_web_seed(url), printable(metainfo.name)));
  if (!metainfo.is_tree()) web_seed_url(url, metainfo.name);
  for (const TorrentFile& file : metainfo.files)
    if (!file.is_padding) web_seed_url(folder_of(url, metainfo), file.path);
}

std::vector<WebPart> web_parts(const std::string& url, const Metainfo& metainfo,
                               const ByteRange& range) {
  if (!metainfo.is_tree())
    return {{.url = web_seed_url(url, metainfo.name),
             .range = range,
             .total = metainfo.length,
             .file = "",
             .is_padding = false}};
  const std::string folder = folder_of(url, metainfo);
  const std::uint64_t end = range.begin + range.length;
  std::vector<WebPart> parts;
  auto file = std::ranges::upper_bound(metainfo.files, range.begin, {}, &TorrentFile::offset);
  if (file != metainfo.files.begin()) --file;
  for (; file != metainfo.files.end() && file->offset < end; ++file) {
    const std::uint64_t begin = std::max(range.begin, file->offset);
    const std::uint64_t stop = std::min(end, file->offset + file->length);
    if (begin >= stop) continue;
    WebPart part;
    part.is_padding = file->is_padding;
    part.range = {begin - file->offset, stop - begin};
    part.total = file->length;
    part.file = printable(file->path);
    if (!part.is_padding) part.url = web_seed_url(folder, file->path);
    parts.push_back(std::move(part));
  }
  return parts;
}

std::string shown_web_seed(const std::string& url) {
  return printable(std::string_view(url).substr(0, url.find('?')), 300);
}

std::string ByteRange::to_header() const {
  return fmt::format("bytes={}-{}", begin, begin + length - 1);
}

WebAnswer judge_web_answer(const net::HttpResult& result, const ByteRange& range,
                           std::uint64_t total, std::int64_t now_s) {
  WebAnswer answer;
  if (result.is_whole_for_range) return {WebOutcome::wrong, {}, result.error};
  if (result.status == 0) return {WebOutcome::busy, {}, result.error};
  if (result.status == 206) {
    if (!fits(result.content_range, range, total))
      return {WebOutcome::refused,
              {},
              fmt::format("asked for {} of {} bytes, it sent '{}': another file lies there",
                          range.to_header(), total, printable(result.content_range, 80))};
    if (result.body.size() == range.length) return answer;
    return {WebOutcome::busy,
            {},
            fmt::format("{} bytes came, not {}", result.body.size(), range.length)};
  }
  if (result.status == 200) {
    if (range.length == total && result.body.size() == total) return answer;
    return {WebOutcome::wrong, {}, "it sends all of it when asked for a part: no ranges"};
  }
  if (result.status == 416)
    return {
        WebOutcome::refused, {}, "it has less than the torrent describes: another file lies there"};
  answer.outcome =
      result.status == 408 || result.status == 425 || result.status == 429 || result.status >= 500
          ? WebOutcome::busy
          : WebOutcome::refused;
  answer.retry_after = retry_after_of(result.retry_after, now_s);
  answer.reason = fmt::format("HTTP status {}", result.status);
  if (result.status >= 300 && result.status < 400)
    answer.reason += ", a redirect: name the URL that it leads to";
  return answer;
}

}  // namespace murder::node
