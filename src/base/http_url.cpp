#include "base/http_url.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <iterator>
#include <utility>

#include "base/endpoint.hpp"
#include "base/error.hpp"

namespace murder {
namespace {

constexpr std::size_t max_url_bytes = 2048;

constexpr std::array<std::string_view, 2> http_schemes{"http", "https"};

/// Throws, naming the URL.
struct Refuse {
  const UrlKind& kind;

  [[noreturn]] void operator()(std::string_view url, std::string_view reason) const {
    refuse_url(url, kind, reason);
  }
};

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_host_character(char c) {
  c = to_lower(c);
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

/// Takes the host off the front of `rest`, which starts after "://".
std::string take_host(const Refuse& refuse, std::string_view url, std::string_view& rest) {
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) refuse(url, "'[' without ']'");
    const std::string_view host = rest.substr(1, end - 1);
    if (host.find(':') == std::string_view::npos || !IpAddress::parse(host))
      refuse(url, "what is in brackets is not an IPv6 address");
    rest.remove_prefix(end + 1);
    return std::string(host);
  }
  const std::string_view host = rest.substr(0, rest.find_first_of(":/?"));
  if (host.empty()) refuse(url, "it names no host");
  if (!std::ranges::all_of(host, is_host_character)) refuse(url, "its host is not a host name");
  rest.remove_prefix(host.size());
  return std::string(host);
}

std::optional<std::uint16_t> take_port(const Refuse& refuse, std::string_view url,
                                       std::string_view& rest) {
  if (!rest.starts_with(':')) return std::nullopt;
  rest.remove_prefix(1);
  const std::string_view digits = rest.substr(0, rest.find_first_of("/?"));
  const char* const end = digits.data() + digits.size();
  std::uint16_t port = 0;
  const auto [stop, ec] = std::from_chars(digits.data(), end, port);
  if (ec != std::errc() || stop != end || port == 0) refuse(url, "its port is not 1 to 65535");
  rest.remove_prefix(digits.size());
  return port;
}

/// "http, https and udp".
std::string listed(std::span<const std::string_view> schemes, std::string_view suffix,
                   std::string_view last) {
  std::string text;
  for (std::size_t i = 0; i < schemes.size(); ++i) {
    if (i > 0) text += i + 1 < schemes.size() ? ", " : fmt::format(" {} ", last);
    text += fmt::format("{}{}", schemes[i], suffix);
  }
  return text;
}

}  // namespace

void refuse_url(std::string_view url, const UrlKind& kind, std::string_view reason) {
  throw Error(ErrorKind::usage, fmt::format("cannot use {} '{}': {} ({} is meant)", kind.what,
                                            printable(url), reason, kind.meant));
}

Url split_url(std::string_view url, const UrlKind& kind) {
  const Refuse refuse{kind};
  if (url.size() > max_url_bytes)
    refuse(url.substr(0, 80), fmt::format("it is longer than {} bytes", max_url_bytes));
  // Whatever else it is, the target becomes part of an HTTP request's first line.
  if (std::ranges::any_of(url, [](char c) { return c <= ' ' || c > '~'; }))
    refuse(url, "it holds a space, a control character or a byte beyond ASCII");
  if (url.find('#') != std::string_view::npos) refuse(url, "it holds a '#'");
  const auto colon = url.find("://");
  if (colon == std::string_view::npos)
    refuse(url, fmt::format("it does not begin with {}", listed(kind.schemes, "://", "or")));
  Url out;
  std::ranges::transform(url.substr(0, colon), std::back_inserter(out.scheme), to_lower);
  if (std::ranges::find(kind.schemes, out.scheme) == kind.schemes.end())
    refuse(url,
           fmt::format("murder speaks {}, not {}", listed(kind.schemes, "", "and"), out.scheme));
  std::string_view rest = url.substr(colon + 3);
  if (rest.substr(0, rest.find_first_of("/?")).find('@') != std::string_view::npos)
    refuse(out.scheme + "://…", "a user name or password before '@' is not sent");
  out.host = take_host(refuse, url, rest);
  out.port = take_port(refuse, url, rest);
  if (!rest.empty() && rest.front() != '/' && rest.front() != '?')
    refuse(url, "something other than a port or a path follows its host");
  out.target = rest;
  return out;
}

HttpUrl parse_http_url(std::string_view url, std::string_view what, bool may_be_secure) {
  const std::span schemes(http_schemes);
  const std::string_view meant =
      may_be_secure ? "http[s]://HOST[:PORT][/PATH]" : "http://HOST[:PORT][/PATH]";
  Url parsed = split_url(url, {what, may_be_secure ? schemes : schemes.first(1), meant});
  const bool is_secure = parsed.scheme == "https";
  return {std::move(parsed.host), parsed.port.value_or(is_secure ? 443 : 80),
          http_target(std::move(parsed.target), "/"), is_secure};
}

std::string http_target(std::string target, std::string_view default_path) {
  if (target.empty() || target == "/") return std::string(default_path);
  if (target.front() == '?') return fmt::format("{}{}", default_path, target);
  return target;
}

}  // namespace murder
