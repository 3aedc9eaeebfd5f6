// How the local record, and a swarm as its tracker sees it, are said to people. No I/O.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/live_lines.hpp"
#include "fleet/history.hpp"
#include "tracker/registry.hpp"

namespace murder::cli {

/// "5 s ago", "3 m ago", "2 h ago", "12 d ago".
std::string age(std::int64_t then_ms, std::int64_t now_ms);

/// What `history` puts on stdout: a table with its head.
std::string history_table(const std::vector<fleet::DeployRow>& deploys, std::int64_t now_ms);
/// What `status` puts on stdout: which deploy, how it stands or ended, its hosts.
std::string status_text(const fleet::RecordedDeploy& deploy, std::int64_t now_ms);
/// The same in a few lines that are redrawn, for a deploy that runs.
std::vector<LiveLine> status_lines(const fleet::RecordedDeploy& deploy);

/// What `logs ID HOST` puts on stdout: each entry under a line that says when and whose it is.
std::string log_text(const std::vector<fleet::LogLine>& logs);
/// What `logs ID` puts on stdout: a table with its head.
std::string logged_hosts_table(const std::vector<fleet::LoggedHost>& hosts);

/// How much of the payload a host has, as far as its tracker can tell.
double percent_of(const tracker::SwarmView& swarm, const tracker::SwarmView::Host& host);
/// What `status --tracker` puts on stdout; also the lines that are redrawn.
std::vector<LiveLine> swarm_lines(const std::vector<tracker::SwarmView>& swarms);

}  // namespace murder::cli
