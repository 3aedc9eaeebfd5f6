// What a deploy orders a host to do, and what the host answers, as values and as JSON. How they
// travel is not known here: over ssh today (fleet/ on the control side, agent/ on the host).
//
// The conversation: the host says Hello. Then the control side sends orders, each
// {"id":N,"order":"NAME",…}; the host works on one at a time, in their order, but stages beside the
// others, and answers each with {"re":N,…} or {"re":N,"error":{"status":1,"message":"…"}}.
// While a transfer runs, what it says (docs/control-socket.md) comes in between as it is, and
// orders to it are passed on at once. docs/orders.md has a worked example.
//
// Unknown fields are ignored and missing ones have the values below, so that one side may be a
// little newer than the other. Paths and texts may be any bytes on the host; in JSON what is not
// UTF-8 is replaced.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"

namespace murder::orders {

inline constexpr int protocol = 1;

/// The first frame from a host: {"hello":{…}}.
struct Hello {
  int protocol = 0;
  std::string version;
  std::string machine;  ///< as uname -m
  std::string host_name;
  std::string user;
  std::string address;            ///< the server side of $SSH_CONNECTION; empty without
  std::string client;             ///< the other side: where the control machine comes from
  std::int64_t clock_ms = 0;      ///< since 1970
  std::uint64_t descriptors = 0;  ///< the limit on open files
};

// --- orders --------------------------------------------------------------------------------------

/// Of `murder copy`: what is to be where in the end; dest is the folder that it is staged in.
struct Placement {
  std::string target;  ///< the whole path; empty: no copy
  bool file = false;
  std::string content;      ///< hex: host/placement.hpp
  std::uint64_t bytes = 0;  ///< of all its files
  std::uint32_t mode = 0;   ///< of a tree's own folder
  std::string owner;
  bool replace = false;
};

/// What is at DEST. Changes nothing.
struct Look {
  using Answer = struct View;
  static constexpr std::string_view name = "look";
  std::string dest;
  std::string tag;           ///< may be empty: then nothing is said of it
  std::string info_hash;     ///< hex; may be empty
  Placement placement = {};  ///< then its target is looked at, too
};

/// A tracker that outlives the session, with a folder of files that it serves at /files/.
struct Tracker {
  using Answer = struct TrackerRuns;
  static constexpr std::string_view name = "tracker";
  std::string deploy;  ///< the deploy's id: one tracker for each
  std::string address;
  std::uint32_t expect = 0;
  /// Ends by itself when nobody has asked anything for so long.
  std::uint32_t idle_s = 600;
  bool with_session = false;  ///< ends with this session, too
  std::string ports;          ///< "9100-9160"; empty: 8998, else of 9030 to 9060
};

/// Puts the attachment into the tracker's folder, or the running executable itself (gzip) when
/// there is none.
struct Publish {
  using Answer = struct Done;
  static constexpr std::string_view name = "publish";
  std::string deploy;
  std::string file;  ///< a plain name
};

/// Serve what lies on this machine already, for as long as the session lives: what the control
/// machine gives itself to do when it is the origin. Answered when the seeder has ended; until then
/// what it says is passed on.
struct Seed {
  using Answer = struct Done;
  static constexpr std::string_view name = "seed";
  std::string torrent;  ///< paths
  std::string payload;
  std::vector<std::string> trackers;
  std::string host;     ///< what the tracker calls it
  std::string address;  ///< at which others reach it
  std::string up;       ///< a rate as `murder seed` takes it; empty: no limit
  std::string ports;    ///< as `murder seed --port`
};

/// Fetch the release, verify, unpack: a transfer that outlives the session. One that runs already
/// is joined. Answered when it is staged; until then what the transfer says is passed on.
struct Stage {
  using Answer = struct Staged;
  static constexpr std::string_view name = "stage";
  std::string dest;
  std::string tag;
  std::string info_hash;    ///< hex
  std::string torrent_url;  ///< empty: the torrent is the attachment
  std::vector<std::string> trackers;
  std::string host;     ///< what the tracker calls it
  std::string address;  ///< to listen on; empty: all
  bool seeder = false;  ///< the origin
  bool serve = false;   ///< though it may be staged already: others need the pack that is kept
  std::string owner;
  std::string up;  ///< rates as `murder peer` takes them; empty: no limit
  std::string down;
  std::uint32_t timeout_s = 600;  ///< gives up after so long without progress
  std::uint32_t linger_s = 300;   ///< serves others at most so long
  std::string ports;              ///< as `murder peer --port`
};

/// Takes the lock that whoever activates holds, for as long as the session lives. An earlier
/// session of the same deploy that holds it, because it has not noticed yet that its connection is
/// lost, is told to end.
struct Lock {
  using Answer = struct Locked;
  static constexpr std::string_view name = "lock";
  std::string dest;
  std::string deploy;
  std::string host;  ///< its name: two names of one machine keep each other out
  std::string who;   ///< "alice@laptop", for those who are kept out
  /// The session ends when nothing was heard for so long, so that a control machine that lost its
  /// power keeps nobody out for hours; {"order":"alive"}, without id or answer, is something heard.
  /// 0: never.
  std::uint32_t lease_s = 0;
};
struct Unlock {
  using Answer = struct Done;
  static constexpr std::string_view name = "unlock";
  std::string dest;
};

/// A command that belongs to a release, run by sh in its folder. MURDER_TAG, MURDER_DEST,
/// MURDER_RELEASE, MURDER_PREVIOUS, MURDER_HOST and MURDER_DEPLOY are set.
struct Hook {
  std::string command;  ///< empty: none
  std::uint32_t timeout_s = 60;
};

/// Links shared paths, runs the first hook, switches `current`, runs the second. When the first
/// fails nothing is switched. What is live already is left alone, but for a second hook that did
/// not succeed the last time (View::unfinished): that is run again.
struct Activate {
  using Answer = struct Activated;
  static constexpr std::string_view name = "activate";
  std::string dest;
  std::string tag;
  std::string host;
  std::string deploy;
  std::vector<std::string> link_shared;
  Hook before;
  Hook after;
  /// Given before, on a session that was lost before it was answered: what was done then is
  /// answered if it came to its end, and else gone on with.
  bool again = false;
};

/// Is the live release well? Run until it is, at most `tries` times.
struct Check {
  using Answer = struct Checked;
  static constexpr std::string_view name = "check";
  std::string dest;
  std::string host;
  std::string deploy;
  std::string command;           ///< run by sh in the live release, status 0 is well; or
  std::string url;               ///< http://…: a status of 200 to 299 is
  std::uint32_t timeout_s = 10;  ///< of each try
  std::uint32_t tries = 1;
  std::uint32_t interval_ms = 1000;
};

/// Back to `tag`, or to what was live before, and runs the hook for that one.
struct Rollback {
  using Answer = struct Activated;
  static constexpr std::string_view name = "rollback";
  std::string dest;
  std::string tag;
  std::string host;
  std::string deploy;
  Hook after;
  bool again = false;  ///< as of Activate
};

/// What is staged at `dest` comes to its target, and `dest` is removed. May be given twice.
struct Place {
  using Answer = struct Placed;
  static constexpr std::string_view name = "place";
  std::string dest;
  std::string tag;
  Placement placement;
};

struct ListReleases {
  using Answer = struct Releases;
  static constexpr std::string_view name = "releases";
  std::string dest;
};

struct Verify {
  using Answer = struct Verified;
  static constexpr std::string_view name = "verify";
  std::string dest;
  std::string tag;  ///< empty: the live one
};

/// Removes old releases with their packs; never the live one, nor the one before it.
struct Prune {
  using Answer = struct Pruned;
  static constexpr std::string_view name = "prune";
  std::string dest;
  std::uint32_t keep = 5;
};

/// What `murder doctor` wants to know.
struct Examine {
  using Answer = struct Examined;
  static constexpr std::string_view name = "examine";
  std::string dest;
};

/// Opens the swarm's ports for others to try, for as long as the session lives.
struct Listen {
  using Answer = struct Listening;
  static constexpr std::string_view name = "listen";
  std::string address;
  std::string ports;  ///< as of Stage
};

/// Tries to connect to these.
struct Probe {
  using Answer = struct Probed;
  static constexpr std::string_view name = "probe";
  std::vector<std::string> endpoints;  ///< "10.0.0.2:8999"
  std::uint32_t timeout_ms = 3000;
};

// --- answers -------------------------------------------------------------------------------------

struct Done {};

struct View {
  bool used = false;         ///< murder has staged here before
  std::string live;          ///< tag; empty: none
  std::string previous;      ///< what `rollback` would go to; empty: nothing
  bool staged = false;       ///< the tag is there, with the bytes of the info-hash if one is named
  bool other_bytes = false;  ///< the tag is there with other bytes
  bool fetching = false;     ///< a transfer of the tag runs
  std::uint64_t free_bytes = 0;
  std::string locked_by;    ///< another deploy, that activates here now; empty: none
  bool unfinished = false;  ///< `live` is, but the hook after its activation did not succeed
  /// The same for two hosts when DEST is one folder of one machine; empty: not known.
  std::string place;
  /// Of a placement.
  bool in_place = false;   ///< the target is what it is to be
  std::string in_the_way;  ///< what is at the target and stays, and the way out; empty: nothing
};

struct TrackerRuns {
  std::string announce_url;
  std::string files_url;  ///< ends in "/files/"
};

struct Staged {
  double seconds = 0;
  std::uint64_t fetched_bytes = 0;
  std::uint64_t resumed_bytes = 0;
  bool already = false;  ///< was staged before; nothing was fetched
};

struct Locked {
  bool ok = false;
  std::string held_by;  ///< "deploy 20261122-101502-ab12 of alice@laptop, since …"
  /// Whoever holds it is about to let go: its control side is gone, or has been silent so long that
  /// its lease will end.
  bool leaving = false;
  std::string live;  ///< tag, as it is under the lock; empty: none
};

struct HookOutcome {
  bool ran = false;
  int status = 0;  ///< exit status, or 128 + signal
  bool timed_out = false;
  double seconds = 0;
  std::string output;              ///< stdout and stderr: the first and last parts when it is long
  std::uint64_t output_bytes = 0;  ///< of all of it
};

struct Activated {
  std::string tag;
  std::string previous;   ///< live before; may be empty
  bool switched = false;  ///< false when it was live already, or the first hook failed
  HookOutcome before;
  HookOutcome after;
  /// Why the order did not wholly succeed ("post-activate failed: exit status 3"); empty: it did.
  std::string problem;
};

struct Checked {
  bool well = false;
  std::uint32_t tries = 0;
  double seconds = 0;
  std::string reason;  ///< when not well: "exit status 1", "HTTP status 503", "no answer in 10 s"
  std::string output;  ///< of the last try
};

struct Placed {
  bool replaced = false;  ///< something else was there
  std::string left;       ///< what could not be removed; empty: nothing
};

struct ReleaseInfo {
  std::string tag;
  bool live = false;
  bool partial = false;
  std::int64_t staged_at = 0;  ///< seconds since 1970
};
struct Releases {
  std::vector<ReleaseInfo> releases;  ///< newest first
  std::string previous;               ///< what `rollback` would go to; empty: nothing
};

struct DriftInfo {
  std::string kind;
  std::string path;
  std::string detail;
};
struct Verified {
  std::string tag;
  std::vector<DriftInfo> drifts;  ///< the first thousand
  std::uint64_t drift_count = 0;
};

struct Pruned {
  std::vector<std::string> removed;
  std::uint64_t freed_bytes = 0;
};

struct Examined {
  std::string dest_problem;  ///< empty: it can be written
  std::string filesystem;    ///< "ext4"
  std::uint64_t free_bytes = 0;
  std::uint64_t free_inodes = 0;
  std::uint64_t descriptors = 0;
  std::uint64_t memory_bytes = 0;  ///< that can be had
  std::uint32_t processors = 0;
  std::string kernel;
  std::string system;                 ///< /etc/os-release's PRETTY_NAME
  std::vector<std::string> fetchers;  ///< of curl, wget, bash: those that are there
  std::string binary_path;
  bool noexec = false;             ///< programs of a release could not be run there
  std::uint64_t file_bytes = 0;    ///< the limit on one file's size; 0: none
  std::string live;                ///< tag; empty: none
  std::uint64_t live_bytes = 0;    ///< what the live release and its pack took; 0: not known
  std::uint64_t live_entries = 0;  ///< of the live release; 0: not known
};

struct Listening {
  std::vector<std::string> endpoints;
};

struct Probed {
  struct Result {
    std::string endpoint;
    bool ok = false;
    double milliseconds = 0;
    std::string reason;
  };
  std::vector<Result> results;
};

using Order = std::variant<Look, Tracker, Publish, Seed, Stage, Lock, Unlock, Activate, Check,
                           Rollback, Place, ListReleases, Verify, Prune, Examine, Listen, Probe>;

// --- JSON ----------------------------------------------------------------------------------------

std::string encode_hello(const Hello& hello);
/// Throws Error{failed} when it is none, or of another protocol (naming both versions).
Hello parse_hello(std::string_view json);

/// {"id":…,"order":…,…}
template <class O>
std::string encode_order(std::uint64_t id, const O& order);

struct ReceivedOrder {
  std::uint64_t id = 0;
  Order order;
};
/// Throws Error{failed} for what is no order of this protocol.
ReceivedOrder parse_order(std::string_view json);

/// What a frame says that it is: 0 and empty for what it does not say.
struct OrderHead {
  std::uint64_t id = 0;
  std::string name;
  /// Meant for the transfer that runs, which is told it as it is ("pieces", "have", "trackers",
  /// "finish", "stop"; docs/control-socket.md).
  bool for_transfer() const;
};
OrderHead peek_order(std::string_view json);

template <class A>
std::string encode_answer(std::uint64_t id, const A& answer);
std::string encode_error(std::uint64_t id, ErrorKind kind, std::string_view message);

/// The id that an answer is for; nullopt-like 0 when it is none (then a transfer said it).
std::uint64_t answered_id(std::string_view json);
/// Throws the Error that the host answered, or Error{failed} for what cannot be read.
template <class A>
A parse_answer(std::string_view json);

}  // namespace murder::orders
