// Reports to look at.
#pragma once

#include <fmt/format.h>
#include <string>
#include <vector>

#include "fleet/report.hpp"

namespace murder::fleet {

inline HostReport host(std::string name, HostState state) {
  HostReport report;
  report.name = std::move(name);
  report.state = state;
  return report;
}

inline HostReport failed(std::string name, Phase phase, ErrorKind kind, std::string reason) {
  HostReport report = host(std::move(name), HostState::failed);
  report.failed_in = phase;
  report.failure = kind;
  report.reason = std::move(reason);
  return report;
}

inline FleetReport fleet(Goal goal, std::vector<HostReport> hosts) {
  FleetReport report;
  report.deploy = "20261122-131502-3fa2";
  report.command = "deploy";
  report.goal = goal;
  report.tag = "v7";
  report.dest = "/srv/app";
  report.source = "build/";
  report.origin = "web-001";
  report.started_at_ms = 1'795'353'302'118;
  report.seconds = 4.25;
  report.hosts = std::move(hosts);
  return report;
}

/// web-001 and on, all in one state.
inline std::vector<HostReport> many(std::size_t count, HostState state) {
  std::vector<HostReport> hosts;
  for (std::size_t i = 1; i <= count; ++i)
    hosts.push_back(host(fmt::format("web-{:03}", i), state));
  return hosts;
}

}  // namespace murder::fleet
