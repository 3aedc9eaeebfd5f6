#include "events/event.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

namespace murder::events {
namespace {

using Json = nlohmann::ordered_json;

/// Microseconds are enough, and keep lines short.
double rounded(double value) {
  return std::abs(value) < 1e9 ? std::round(value * 1e6) / 1e6 : value;
}

struct Name {
  std::string_view operator()(const Started&) const { return "started"; }
  std::string_view operator()(const Listening&) const { return "listening"; }
  std::string_view operator()(const TrackerState&) const { return "tracker"; }
  std::string_view operator()(const WebSeedState&) const { return "web_seed"; }
  std::string_view operator()(const Progress&) const { return "progress"; }
  std::string_view operator()(const Complete&) const { return "complete"; }
  std::string_view operator()(const Staged&) const { return "staged"; }
  std::string_view operator()(const Activated&) const { return "activated"; }
  std::string_view operator()(const RolledBack&) const { return "rolled_back"; }
  std::string_view operator()(const Packed&) const { return "packed"; }
  std::string_view operator()(const PeerBanned&) const { return "peer_banned"; }
  std::string_view operator()(const Withdrawn&) const { return "withdrawn"; }
  std::string_view operator()(const SwarmComplete&) const { return "swarm_complete"; }
  std::string_view operator()(const Fleet&) const { return "fleet"; }
  std::string_view operator()(const Release&) const { return "release"; }
  std::string_view operator()(const HostSelected&) const { return "host_selected"; }
  std::string_view operator()(const Drifted&) const { return "drifted"; }
  std::string_view operator()(const Pruned&) const { return "pruned"; }
  std::string_view operator()(const DeployStarted&) const { return "deploy_started"; }
  std::string_view operator()(const HostChanged&) const { return "host"; }
  std::string_view operator()(const HostReport&) const { return "host_report"; }
  std::string_view operator()(const Finding&) const { return "finding"; }
  std::string_view operator()(const Deploy&) const { return "deploy"; }
  std::string_view operator()(const LogText&) const { return "log"; }
  std::string_view operator()(const Daemon&) const { return "daemon"; }
  std::string_view operator()(const Warning&) const { return "warning"; }
  std::string_view operator()(const ErrorEvent&) const { return "error"; }
  std::string_view operator()(const Summary&) const { return "summary"; }
};

/// Adds an event's own fields to its line.
struct Fields {
  Json& line;

  void unless_empty(const char* name, const std::string& value) const {
    if (!value.empty()) line[name] = value;
  }

  void operator()(const Started& e) const {
    line["command"] = e.command;
    line["tag"] = e.tag;
    line["info_hash"] = e.info_hash.hex();
    line["size_bytes"] = e.size_bytes;
    line["pieces"] = e.pieces;
    line["kind"] = e.kind;
  }
  void operator()(const Listening& e) const {
    line["role"] = e.role;
    line["endpoint"] = e.endpoint.to_string();
  }
  void operator()(const TrackerState& e) const {
    line["url"] = e.url;
    line["ok"] = e.ok;
    line["reason"] = e.reason;
  }
  void operator()(const WebSeedState& e) const {
    line["url"] = e.url;
    line["ok"] = e.ok;
    line["banned"] = e.banned;
    line["reason"] = e.reason;
  }
  void operator()(const Progress& e) const {
    line["tag"] = e.tag;
    line["have_bytes"] = e.have_bytes;
    line["total_bytes"] = e.total_bytes;
    line["down_bytes_per_s"] = e.down_bytes_per_s;
    line["up_bytes_per_s"] = e.up_bytes_per_s;
    line["links"] = e.links;
    if (e.seconds_left) line["seconds_left"] = rounded(*e.seconds_left);
    line["unpacked_bytes"] = e.unpacked_bytes;
  }
  void operator()(const Complete& e) const {
    line["tag"] = e.tag;
    line["seconds"] = rounded(e.seconds);
    line["downloaded_bytes"] = e.downloaded_bytes;
    line["uploaded_bytes"] = e.uploaded_bytes;
    line["resumed_bytes"] = e.resumed_bytes;
    line["fed_bytes"] = e.fed_bytes;
    line["web_bytes"] = e.web_bytes;
  }
  void operator()(const Staged& e) const {
    line["tag"] = e.tag;
    line["path"] = e.path;
    line["seconds"] = rounded(e.seconds);
    line["files"] = e.files;
    line["bytes"] = e.bytes;
  }
  void operator()(const Activated& e) const {
    line["tag"] = e.tag;
    line["previous_tag"] = e.previous_tag;
  }
  void operator()(const RolledBack& e) const {
    line["tag"] = e.tag;
    line["previous_tag"] = e.previous_tag;
  }
  void operator()(const Packed& e) const {
    line["tag"] = e.tag;
    line["path"] = e.path;
    line["torrent"] = e.torrent;
    line["pack_bytes"] = e.pack_bytes;
    line["source_bytes"] = e.source_bytes;
    line["files"] = e.files;
    line["seconds"] = rounded(e.seconds);
    line["mb_per_s"] = rounded(e.mb_per_s);
    line["magnet"] = e.magnet;
  }
  void operator()(const PeerBanned& e) const {
    line["endpoint"] = e.endpoint.to_string();
    line["reason"] = e.reason;
  }
  void operator()(const Withdrawn& e) const {
    line["tag"] = e.tag;
    line["info_hash"] = e.info_hash.hex();
    line["reason"] = e.reason;
  }
  void operator()(const SwarmComplete& e) const {
    line["hosts"] = e.hosts;
    line["seconds"] = rounded(e.seconds);
  }
  void operator()(const Fleet& e) const {
    line["hosts"] = e.hosts;
    line["complete"] = e.complete;
    line["staged"] = e.staged;
    line["failed"] = e.failed;
    Json slowest = Json::array();
    for (const Fleet::Host& host : e.slowest) {
      Json entry;
      entry["name"] = host.name;
      entry["percent"] = rounded(host.percent);
      slowest.push_back(std::move(entry));
    }
    line["slowest"] = std::move(slowest);
    unless_empty("info_hash", e.info_hash);
  }
  void operator()(const Release& e) const {
    line["tag"] = e.tag;
    line["live"] = e.live;
    line["partial"] = e.partial;
    line["staged_at"] = e.staged_at;
    if (!e.host.empty()) line["host"] = e.host;
  }
  void operator()(const HostSelected& e) const {
    line["name"] = e.name;
    line["user"] = e.user;
    line["host"] = e.host;
    line["port"] = e.port;
    line["labels"] = Json(e.labels);
    line["where"] = e.where;
  }
  void operator()(const Drifted& e) const {
    line["tag"] = e.tag;
    line["path"] = e.path;
    line["kind"] = e.kind;
    line["detail"] = e.detail;
    if (!e.host.empty()) line["host"] = e.host;
  }
  void operator()(const Pruned& e) const {
    line["tags"] = e.tags;
    line["freed_bytes"] = e.freed_bytes;
    if (!e.host.empty()) line["host"] = e.host;
  }
  void operator()(const DeployStarted& e) const {
    line["deploy"] = e.deploy;
    line["command"] = e.command;
    line["tag"] = e.tag;
    line["dest"] = e.dest;
    line["hosts"] = e.hosts;
  }
  void operator()(const HostChanged& e) const {
    line["host"] = e.host;
    line["state"] = e.state;
    unless_empty("phase", e.phase);
    unless_empty("reason", e.reason);
  }
  void operator()(const HostReport& e) const {
    line["host"] = e.host;
    line["address"] = e.address;
    line["state"] = e.state;
    line["good"] = e.good;
    unless_empty("phase", e.phase);
    unless_empty("failure", e.failure);
    unless_empty("reason", e.reason);
    line["live_tag"] = e.live_tag;
    line["previous_tag"] = e.previous_tag;
    if (e.reached_s) line["reached_s"] = rounded(*e.reached_s);
    if (e.complete_s) line["complete_s"] = rounded(*e.complete_s);
    if (e.staged_s) line["staged_s"] = rounded(*e.staged_s);
    if (e.activated_s) line["activated_s"] = rounded(*e.activated_s);
    if (e.checked_s) line["checked_s"] = rounded(*e.checked_s);
    line["fetched_bytes"] = e.fetched_bytes;
    line["resumed_bytes"] = e.resumed_bytes;
    line["fed_bytes"] = e.fed_bytes;
    line["wave"] = e.wave;
    line["notes"] = e.notes;
  }
  void operator()(const Finding& e) const {
    line["host"] = e.host;
    line["severity"] = e.severity;
    line["what"] = e.what;
    line["found"] = e.found;
    line["way_out"] = e.way_out;
  }
  void operator()(const Deploy& e) const {
    line["deploy"] = e.deploy;
    line["command"] = e.command;
    line["tag"] = e.tag;
    line["dest"] = e.dest;
    line["started_at"] = e.started_at;
    line["seconds"] = rounded(e.seconds);
    line["hosts"] = e.hosts;
    line["good"] = e.good;
    line["failed"] = e.failed;
    line["standing"] = e.standing;
    if (e.exit_status) line["exit_status"] = *e.exit_status;
  }
  void operator()(const LogText& e) const {
    line["deploy"] = e.deploy;
    line["host"] = e.host;
    line["seconds"] = rounded(e.seconds);
    line["source"] = e.source;
    line["text"] = e.text;
  }
  void operator()(const Daemon& e) const {
    line["role"] = e.role;
    line["name"] = e.name;
    line["state"] = e.state;
    line["pid"] = e.pid;
    line["since"] = e.since;
    line["place"] = e.place;
    line["log"] = e.log;
  }
  void operator()(const Warning& e) const { line["message"] = e.message; }
  void operator()(const ErrorEvent& e) const {
    line["kind"] = error_kind_name(e.kind);
    line["exit"] = static_cast<int>(e.kind);
    line["message"] = e.message;
  }
  void operator()(const Summary& e) const {
    for (const auto& [name, value] : e.fields) {
      if (name == "schema" || name == "t" || name == "event") continue;
      if (const double* number = std::get_if<double>(&value))
        line[name] = rounded(*number);
      else if (const std::uint64_t* count = std::get_if<std::uint64_t>(&value))
        line[name] = *count;
      else
        line[name] = std::get<std::string>(value);
    }
  }
};

}  // namespace

std::string_view event_name(const Event& event) { return std::visit(Name{}, event); }

std::string_view error_kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::failed:
      return "failed";
    case ErrorKind::usage:
      return "usage";
    case ErrorKind::partial:
      return "partial";
    case ErrorKind::unreachable:
      return "unreachable";
    case ErrorKind::integrity:
      return "integrity";
    case ErrorKind::interrupted:
      return "interrupted";
    case ErrorKind::terminated:
      return "terminated";
  }
  return "failed";
}

std::string to_json_line(const Event& event, double t_seconds) {
  Json line;
  line["schema"] = 1;
  line["t"] = rounded(t_seconds);
  line["event"] = event_name(event);
  std::visit(Fields{line}, event);
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace murder::events
