#include "node/statistics_page.hpp"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <string_view>

#include "base/error.hpp"

namespace murder::node {
namespace {

constexpr std::string_view head = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="2">
<meta name="viewport" content="width=device-width">
<title>murder tracker</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; color: #222; }
table { border-collapse: collapse; width: 100%; margin: 1em 0; }
th, td { text-align: right; padding: .25em .8em; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
code { font-size: 13px; }
@media (prefers-color-scheme: dark) { body { background: #161616; color: #ddd; } th, td { border-color: #444; } }
</style>
</head>
<body>
<h1>murder tracker</h1>
)html";

/// A host's name is its own choice.
std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : printable(text, 255)) {
    if (c == '&')
      safe += "&amp;";
    else if (c == '<')
      safe += "&lt;";
    else if (c == '>')
      safe += "&gt;";
    else if (c == '"')
      safe += "&quot;";
    else
      safe += c;
  }
  return safe;
}

std::string percent_there(std::uint64_t left, std::uint64_t size) {
  if (left == 0) return "all";
  if (size == 0) return "?";
  return fmt::format("{:.0f} %", 100.0 * static_cast<double>(size - std::min(left, size)) /
                                     static_cast<double>(size));
}

std::string section(const tracker::SwarmView& swarm) {
  std::string text = fmt::format(
      "<h2><code>{}</code></h2>\n<table>\n<tr><th>size</th><th>seeders</th><th>hosts</th>"
      "<th>complete</th><th>failed</th><th>stock clients</th><th>state</th></tr>\n"
      "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n"
      "</table>\n",
      swarm.info_hash.hex(), format_bytes(swarm.size_bytes), swarm.seeders, swarm.hosts,
      swarm.complete_hosts, swarm.failed_hosts, swarm.stock_peers,
      swarm.swarm_complete ? "everyone has it" : "under way");
  if (swarm.slowest.empty()) return text;
  text +=
      "<table>\n<tr><th>those that lack most</th><th>address</th><th>has</th><th>links</th>"
      "<th>last heard of</th></tr>\n";
  for (const tracker::SwarmView::Host& host : swarm.slowest)
    text += fmt::format(
        "<tr><td>{}</td><td><code>{}</code></td><td>{}</td><td>{}</td><td>{} ago</td></tr>\n",
        escaped(host.name), host.endpoint.to_string(),
        host.failed ? "gave up" : percent_there(host.left, swarm.size_bytes), host.links,
        format_duration(host.silent_for));
  return text + "</table>\n";
}

}  // namespace

std::string statistics_page(const std::vector<tracker::SwarmView>& swarms, Duration up) {
  std::string page(head);
  page += fmt::format(
      "<p>Version {}, up for {}; {} swarm{}. The same for programs: "
      "<a href=\"/swarms\">/swarms</a>.</p>\n",
      MURDER_VERSION, format_duration(up), swarms.size(), swarms.size() == 1 ? "" : "s");
  for (const tracker::SwarmView& swarm : swarms) page += section(swarm);
  return page + "</body>\n</html>\n";
}

}  // namespace murder::node
