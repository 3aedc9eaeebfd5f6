// Gets the release onto every host at once: each is looked at, told to fetch, watched, helped when
// the swarm cannot reach it, and found again when its session is lost.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "fleet/feed.hpp"
#include "fleet/fleet.hpp"
#include "fleet/origin.hpp"
#include "swarm/bitfield.hpp"

namespace murder::fleet {

struct StagingOptions {
  std::string owner;
  std::string up;  ///< rates as `murder peer` takes them
  std::string down;
  bool fallback = true;  ///< feed a host over ssh that the swarm cannot reach
  Duration timeout = std::chrono::minutes(10);  ///< without progress
};

class Staging {
 public:
  Staging(Fleet& fleet, Origin& origin, const StagingOptions& options);

  /// What is to be staged; hosts that are reached before wait for it.
  void set_payload(const Payload& payload);
  /// Packing has failed: nobody waits any more.
  void give_up(std::exception_ptr why);
  bool gave_up() const { return failure_ != nullptr; }
  [[noreturn]] void throw_failure() const { std::rethrow_exception(failure_); }

  /// Until every host has it or has failed. Failures are in the members' reports.
  boost::asio::awaitable<void> run();
  /// Ends the transfers on all hosts; what they have stays there.
  void stop_transfers();
  /// Everyone has it: nobody serves any longer.
  void finish_transfers();

 private:
  boost::asio::awaitable<void> stage(Member& member);
  boost::asio::awaitable<void> fetch(Member& member);
  boost::asio::awaitable<void> feed(Member& member, std::shared_ptr<Feed> feed);
  boost::asio::awaitable<void> watch();
  void start_feed(Member& member, bool is_origin);
  void heard(Member& member, const orders::Frame& frame);
  boost::asio::awaitable<void> moved();
  void tell_tracker(Member& member);
  boost::asio::awaitable<void> look_after_origin(Instant now);
  bool over() const;
  bool is_cut_off(const Member& member, Instant now) const;

  Fleet& fleet_;
  Origin& origin_;
  StagingOptions options_;
  std::optional<Payload> payload_;
  std::exception_ptr failure_;
  swarm::Bitfield in_swarm_{0};  ///< what any host but the one that is fed has
  swarm::Bitfield nothing_{0};
  std::map<const Member*, std::shared_ptr<Feed>> feeds_;
  std::map<const Member*, std::string> told_tracker_;  ///< the newest that each was told of
  bool done_ = false;
  bool replacing_ = false;
  std::set<const Member*> asked_;  ///< what they have; not answered yet
  Instant tracker_heard_{};        ///< when a host last said that the tracker answers
  Instant origin_heard_{};         ///< when the origin last had a session
};

}  // namespace murder::fleet
