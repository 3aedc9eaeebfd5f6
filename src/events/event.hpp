// What happens, as values: the one record that progress on the terminal, --json, the dashboard and
// tests read. docs/events.md is the schema; a test holds the two together.
//
// Texts may be any bytes; what is not UTF-8 is replaced when a line is written. Rates and sizes are
// in bytes, durations in seconds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/digest.hpp"
#include "base/endpoint.hpp"
#include "base/error.hpp"

namespace murder::events {

/// A command knows what it works on.
struct Started {
  std::string command;  ///< "peer", "seed", …
  std::string tag;
  InfoHash info_hash;
  std::uint64_t size_bytes = 0;  ///< of the payload
  std::uint32_t pieces = 0;
  std::string kind;  ///< "pack", "file" or "files"
};

/// A port is bound.
struct Listening {
  std::string role;  ///< "peer", "seeder", "tracker"
  Endpoint endpoint;
};

/// A tracker began or ceased to answer.
struct TrackerState {
  std::string url;
  bool ok = false;
  std::string reason;  ///< empty when ok
};

/// A web seed gave its first pieces, fails, or gives again.
struct WebSeedState {
  std::string url;  ///< without its query
  bool ok = false;
  bool banned = false;  ///< never asked again
  std::string reason;   ///< empty when ok
};

/// Where a transfer stands; about twice a second.
struct Progress {
  std::string tag;
  std::uint64_t have_bytes = 0;  ///< verified
  std::uint64_t total_bytes = 0;
  std::uint64_t down_bytes_per_s = 0;
  std::uint64_t up_bytes_per_s = 0;
  std::uint32_t links = 0;
  std::optional<double> seconds_left;  ///< absent while nothing moves
  std::uint64_t unpacked_bytes = 0;
};

/// Every piece is here and verified.
struct Complete {
  std::string tag;
  double seconds = 0;
  std::uint64_t downloaded_bytes = 0;
  std::uint64_t uploaded_bytes = 0;
  std::uint64_t resumed_bytes = 0;  ///< were on disk already, and verified again
  std::uint64_t fed_bytes = 0;      ///< handed over from outside of the swarm
  std::uint64_t web_bytes = 0;      ///< from web seeds
};

/// Unpacked, synced and renamed into place.
struct Staged {
  std::string tag;
  std::string path;
  double seconds = 0;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

/// Live now.
struct Activated {
  std::string tag;
  std::string previous_tag;  ///< live before; may be empty
};

/// Live again.
struct RolledBack {
  std::string tag;
  std::string previous_tag;  ///< live before; may be empty
};

/// A pack and its torrent, or a raw file's torrent alone, are written.
struct Packed {
  std::string tag;
  std::string path;     ///< of the pack
  std::string torrent;  ///< path
  std::uint64_t pack_bytes = 0;
  std::uint64_t source_bytes = 0;
  std::uint64_t files = 0;
  double seconds = 0;
  double mb_per_s = 0;      ///< of the source, in 10^6 bytes
  std::string magnet = {};  ///< link by which peers get the torrent from each other
};

/// A peer that sent what did not match, or broke the protocol, is spoken to no more.
struct PeerBanned {
  Endpoint endpoint;
  std::string reason;
};

/// Of a folder that is seeded: one of its torrents is served no more.
struct Withdrawn {
  std::string tag;
  InfoHash info_hash;
  std::string reason;
};

/// The tracker says that nobody needs anything any more.
struct SwarmComplete {
  std::uint32_t hosts = 0;
  double seconds = 0;
};

/// Where a whole fleet stands, as its tracker knows it.
struct Fleet {
  struct Host {
    std::string name;
    double percent = 0;
  };
  std::uint32_t hosts = 0;
  std::uint32_t complete = 0;
  std::uint32_t staged = 0;
  std::uint32_t failed = 0;
  std::vector<Host> slowest;  ///< least first
  std::string info_hash{};    ///< of the swarm, hexadecimal; empty: there is only one
};

/// One release at a destination, as `releases` lists it.
struct Release {
  std::string tag;
  bool live = false;
  bool partial = false;
  std::int64_t staged_at = 0;  ///< seconds since 1970; 0: not known
  std::string host = {};       ///< of a fleet; empty: this one
};

/// One of the hosts that a list and a selection mean.
struct HostSelected {
  std::string name;
  std::string user;        ///< empty: ssh's own
  std::string host;        ///< as ssh is told
  std::uint16_t port = 0;  ///< 0: ssh's own
  std::map<std::string, std::string> labels;
  std::string where;  ///< what names it: "hosts.txt:12"
};

/// Something in an installed release is not as it was staged.
struct Drifted {
  std::string tag;
  std::string path;
  std::string kind;  ///< "missing", "added", "type", "content", "mode", "link"
  std::string detail;
  std::string host = {};  ///< of a fleet; empty: this one
};

/// Old releases were removed.
struct Pruned {
  std::vector<std::string> tags;  ///< oldest first
  std::uint64_t freed_bytes = 0;
  std::string host = {};  ///< of a fleet; empty: this one
};

/// A command that works on many hosts begins.
struct DeployStarted {
  std::string deploy;   ///< id
  std::string command;  ///< "deploy", "activate", "rollback", …
  std::string tag;
  std::string dest;
  std::uint32_t hosts = 0;
};

/// A host came to another state.
struct HostChanged {
  std::string host;
  std::string state;   ///< "waiting", "reached", "staging", …
  std::string phase;   ///< that failed; empty: none did
  std::string reason;  ///< why; empty when nothing failed
};

/// How a command on many hosts ended for one of them.
struct HostReport {
  std::string host;
  std::string address;
  std::string state;
  bool good = false;    ///< it has what was asked for
  std::string phase;    ///< that failed; empty: none did
  std::string failure;  ///< kind of the error; empty: none
  std::string reason;
  std::string live_tag;
  std::string previous_tag;
  std::optional<double> reached_s;
  std::optional<double> complete_s;
  std::optional<double> staged_s;
  std::optional<double> activated_s;
  std::optional<double> checked_s;
  std::uint64_t fetched_bytes = 0;
  std::uint64_t resumed_bytes = 0;
  std::uint64_t fed_bytes = 0;
  std::uint32_t wave = 0;
  std::vector<std::string> notes;
};

/// What `doctor` found on a host.
struct Finding {
  std::string host;
  std::string severity;  ///< "fine", "WARNING", "PROBLEM"
  std::string what;      ///< that was looked at: "clock"
  std::string found;
  std::string way_out;  ///< what to do about it; empty where nothing is wrong
};

/// A command on many hosts as the local record has it.
struct Deploy {
  std::string deploy;  ///< id
  std::string command;
  std::string tag;
  std::string dest;
  std::int64_t started_at = 0;  ///< seconds since 1970
  double seconds = 0;
  std::uint32_t hosts = 0;
  std::uint32_t good = 0;
  std::uint32_t failed = 0;
  std::string standing;  ///< "running", "ended", "interrupted", "elsewhere"
  std::optional<int> exit_status;
};

/// What a hook, a check or an error printed on a host.
struct LogText {
  std::string deploy;
  std::string host;
  double seconds = 0;  ///< since the command began
  std::string source;  ///< "pre-activate", "check", …
  std::string text;    ///< may have many lines
};

/// Something of murder's that goes on in the background.
struct Daemon {
  std::string role;        ///< "tracker", "seed", "peer"
  std::string name;        ///< a tracker's ADDRESS:PORT; the tag that others serve
  std::string state;       ///< "started", "starting", "running", …
  std::int64_t pid = 0;    ///< number of its process
  std::int64_t since = 0;  ///< seconds since 1970
  std::string place;       ///< a seeder's payload, a peer's DEST, a tracker's files; may be empty
  std::string log;         ///< path; empty: none
};

/// Worth knowing; nothing ends for it.
struct Warning {
  std::string message;
};

/// What ended the command; its exit status follows from the kind.
struct ErrorEvent {
  ErrorKind kind = ErrorKind::failed;
  std::string message;
};

/// The figures that a command ends with. Each pair is a field of the line; the names `schema`, `t`
/// and `event` are taken, pairs of that name are left out.
struct Summary {
  using Value = std::variant<double, std::uint64_t, std::string>;
  std::vector<std::pair<std::string, Value>> fields;
};

using Event =
    std::variant<Started, Listening, TrackerState, WebSeedState, Progress, Complete, Staged,
                 Activated, RolledBack, Packed, PeerBanned, Withdrawn, SwarmComplete, Fleet,
                 Release, HostSelected, Drifted, Pruned, DeployStarted, HostChanged, HostReport,
                 Finding, Deploy, LogText, Daemon, Warning, ErrorEvent, Summary>;

/// As lines name it: "started", "rolled_back", …
std::string_view event_name(const Event& event);

/// "failed", "usage", "partial", "unreachable", "integrity", "interrupted" or "terminated".
std::string_view error_kind_name(ErrorKind kind);

/// One JSON object, without a newline: {"schema":1,"t":…,"event":"…",…}. `t_seconds`: on the
/// monotonic clock. Numbers that are not finite are null.
std::string to_json_line(const Event& event, double t_seconds);

/// Whom events are told to. Called on the thread of whoever emits; emit() must not wait.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void emit(const Event& event) = 0;
};

}  // namespace murder::events
