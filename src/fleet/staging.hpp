// Gets the release onto every host at once: each is looked at, told to fetch, watched, helped when
// the swarm cannot reach it, and found again when its session is lost. What each host goes through
// is in staging.cpp; what is looked after for them all is in staging_watch.cpp.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

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
  /// Packing has failed: nobody waits any more, also not for hosts that are still being reached.
  void give_up(std::exception_ptr why);
  bool gave_up() const { return failure_ != nullptr; }
  [[noreturn]] void throw_failure() const { std::rethrow_exception(failure_); }

  /// Until every host has it or has failed. Failures are in the members' reports.
  boost::asio::awaitable<void> run();
  /// What is deployed is no more what it was: nothing is to be switched to it.
  bool spoiled() const { return spoiled_; }
  /// Ends the transfers on all hosts; what they have stays there.
  void stop_transfers();
  /// Everyone has it: nobody serves any longer.
  void finish_transfers();

 private:
  boost::asio::awaitable<void> stage(Member& member);
  boost::asio::awaitable<void> look(Member& member);
  boost::asio::awaitable<void> fetch(Member& member);
  boost::asio::awaitable<void> serve(Member& member);
  orders::Stage stage_order(const Member& member) const;
  void heard(Member& member, const orders::Frame& frame);
  void tell_tracker(Member& member);
  void spoil(const std::string& why);

  bool is_fed(const Member& member) const;
  void start_feed(Member& member);
  void stop_feed(Member& member);
  boost::asio::awaitable<void> feed(Member& member, std::shared_ptr<Feed> feed);

  boost::asio::awaitable<void> watch_hosts();
  boost::asio::awaitable<void> watch_origin();
  void look_after_silent(Member& member, Instant now);
  boost::asio::awaitable<void> ping(Member& member, std::shared_ptr<Session> session);
  void look_after_feed(Member& member, Instant now);
  void look_after_stragglers(Instant now);
  boost::asio::awaitable<void> look_after_origin(Instant now);
  boost::asio::awaitable<void> moved();
  void cut_off(Member& member);
  bool over() const { return done_ || fleet_.interrupted(); }
  bool is_cut_off(const Member& member, Instant now) const;
  bool is_idle_origin(const Member& origin) const;
  bool origin_is_out_of_reach(const Member& origin, Instant now) const;
  bool hears_others(const Member* but, Instant now) const;
  Duration silence() const;

  Fleet& fleet_;
  Origin& origin_;
  StagingOptions options_;
  std::optional<Payload> payload_;
  std::exception_ptr failure_;
  bool spoiled_ = false;
  std::map<std::string, const Member*> places_;  ///< which host has which folder
  swarm::Bitfield in_swarm_{0};  ///< what any host has that the others reach and that is not fed
  swarm::Bitfield nothing_{0};
  std::map<const Member*, std::shared_ptr<Feed>> feeds_;
  std::map<const Member*, Instant> feed_ended_;
  std::map<const Member*, std::string> told_tracker_;  ///< the newest that each was told of
  std::set<const Member*> cut_off_;                    ///< whom no other host reaches
  std::set<const Member*> pinged_;                     ///< asked whether they are there
  std::set<const Member*> asked_;                      ///< what they have; not answered yet
  std::set<const Member*> serving_;                    ///< told to, for they had it before
  std::string serving_problem_;                        ///< why the last one told to does not
  bool done_ = false;
  Instant tracker_heard_{};                 ///< when a host last said that the tracker answers
  Instant origin_heard_{};                  ///< when the origin last said something
  std::optional<Instant> others_ready_at_;  ///< all but those whose sessions are lost
};

}  // namespace murder::fleet
