#include "fleet/host.hpp"

#include <filesystem>
#include <fmt/format.h>

namespace murder::fleet {
namespace {

std::string quoted_where_needed(const std::string& value) {
  if (!value.empty() && value.find_first_of(" \"") == std::string::npos) return value;
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

bool is_destination(std::string_view path) {
  const std::filesystem::path normal = std::filesystem::path(path).lexically_normal();
  return normal.is_absolute() && normal != normal.root_path();
}

std::string target_of(const Host& host) {
  std::string target = host.user.empty() ? std::string() : host.user + "@";
  const bool is_ipv6 = host.host.find(':') != std::string::npos;
  target += is_ipv6 ? fmt::format("[{}]", host.host) : host.host;
  if (host.port != 0) target += fmt::format(":{}", host.port);
  return target;
}

std::string labels_text(const std::map<std::string, std::string>& labels) {
  std::string text;
  for (const auto& [key, value] : labels) {
    if (!text.empty()) text += ' ';
    text += key + "=" + quoted_where_needed(value);
  }
  return text;
}

}  // namespace murder::fleet
