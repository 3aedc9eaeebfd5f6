#include "base/port_range.hpp"

#include <charconv>
#include <fmt/format.h>
#include <optional>

#include "base/error.hpp"

namespace murder {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace

std::string PortRange::to_string() const {
  return first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
}

PortRange parse_port_range(std::string_view text, std::string_view flag) {
  if (text.empty()) return {};
  const std::size_t dash = text.find('-');
  const auto first = parse_port(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_port(text.substr(dash + 1));
  if (!first || !last || *last < *first || (*first == 0 && *last != 0))
    throw Error(ErrorKind::usage,
                fmt::format("{}: '{}' is neither a port (1 to 65535) nor a range such as 9100-9160",
                            flag, printable(text)));
  return {*first, *last};
}

}  // namespace murder
