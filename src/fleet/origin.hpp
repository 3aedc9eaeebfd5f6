// The host from which a deploy starts: it runs the tracker, serves the torrent and the binary, and
// seeds. It is chosen when the first host needs one, and another is when it is lost, or when a
// firewall keeps the others away from it: before anybody depends on it, one of them tries.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fleet/fleet.hpp"
#include "fleet/host_binaries.hpp"
#include "fleet/payload.hpp"

namespace murder::fleet {

struct OriginOptions {
  std::string name = {};  ///< the host that the user wants; empty: the first that answers
  bool here = false;      ///< this machine is to be it, if the hosts reach it
  /// At which they do; empty: the one that they see us come from.
  std::string address = {};
  std::string up = {};  ///< what this machine may send at most; empty: no limit
  /// For a while it outlives the command, for transfers do. False: nothing is transferred.
  bool outlives = true;
};

class Origin {
 public:
  Origin(Fleet& fleet, HostBinaries& binaries, OriginOptions options = {});

  /// Told of a host that was the origin and that no other reaches.
  void set_on_closed(std::function<void(Member&)> on_closed) { on_closed_ = std::move(on_closed); }

  /// Reads the binary for machines like this one, which is looked for on each host first.
  boost::asio::awaitable<void> prepare();
  /// What a host that lacks murder is told: to fetch it from the origin, or, when there is none or
  /// it did not get through, to take it over its session. The first to ask becomes the origin.
  boost::asio::awaitable<Supply> supply(Member& member, NeedsBinary need, std::string failure);
  /// It has murder now. If the origin's doing is in doubt, it finds out; else returns at once.
  boost::asio::awaitable<void> bootstrapped(Member& member);
  /// What is to be seeded: the torrent is to lie at the origin, whichever host that is.
  void set_payload(const Payload& payload);
  /// Waits until it lies there and others reach it, `candidate` being one of those that try; when
  /// nobody is the origin, `candidate` becomes it. False: it is not to be had there (now), hand it
  /// over. Throws Error when none of the hosts can be the origin.
  boost::asio::awaitable<bool> torrent_ready(Member& candidate);

  Member* host() { return host_; }
  /// This machine is it.
  bool is_here() const { return host_ != nullptr && host_->host.here; }
  /// Why this machine seeds no more; empty: it does, or is not the origin.
  const std::string& seeding_problem() const { return seeding_problem_; }
  bool is_ready() const { return ready_; }
  /// There has been one.
  bool was_ready() const { return !announce_urls_.empty(); }
  /// No host reaches any other, as far as was tried: everything goes over ssh.
  bool swarm_is_closed() const { return swarm_is_closed_; }
  const std::string& announce_url() const { return runs_.announce_url; }
  /// All that there have been, the present one first: a tracker that was taken for dead may live.
  const std::vector<std::string>& announce_urls() const { return announce_urls_; }
  std::string torrent_url() const;
  /// It is no more: a host whose transfer runs takes over, if there is one, and rather one that has
  /// links to others; else the next that asks.
  boost::asio::awaitable<void> replace(std::string why, bool out_of_reach = false);
  /// Its tracker is silent though the host answers: starts it again.
  boost::asio::awaitable<void> restart_tracker();

 private:
  boost::asio::awaitable<void> ready(Member& candidate);
  boost::asio::awaitable<void> set_up(Member& member);
  boost::asio::awaitable<bool> wait_for_proof();
  boost::asio::awaitable<void> prove(Member& member);
  boost::asio::awaitable<bool> probe(Member& member);
  boost::asio::awaitable<bool> find_another(Member& member);
  boost::asio::awaitable<void> publish(std::string file, const std::string* content);
  void publish_torrent();
  boost::asio::awaitable<void> publish_binary(const std::string& machine);
  boost::asio::awaitable<Supply> push(Member& member, Supply supply, NeedsBinary need,
                                      std::string failure);
  boost::asio::awaitable<void> take_over();
  /// This machine as the origin: origin_here.cpp.
  void learn_address(const std::string& client);
  bool choose_here();
  boost::asio::awaitable<void> connect_here();
  void seed_here();
  boost::asio::awaitable<void> seed(std::uint64_t turn);

  void choose(Member* member);
  void close();
  void look_for_host(Member& candidate);
  bool may_be(const Member& member) const;

  Fleet& fleet_;
  HostBinaries& binaries_;
  std::function<void(Member&)> on_closed_;
  OriginOptions options_;
  Member* host_ = nullptr;
  bool ready_ = false;
  bool setting_up_ = false;
  orders::TrackerRuns runs_;
  std::vector<std::string> announce_urls_;
  std::uint64_t turn_ = 0;                       ///< how often one was chosen
  std::set<std::string> published_;              ///< the files that lie there
  std::set<std::string> publishing_;             ///< with the turn
  std::map<const Member*, std::uint64_t> told_;  ///< to fetch the binary, in which turn
  std::set<const Member*> pushed_;               ///< got the binary over ssh
  std::set<const Member*> unfit_;                ///< have been it, and were lost
  std::string problem_;                          ///< why the last one could not be it

  bool proven_ = false;                ///< another host has reached it
  std::set<const Member*> probed_;     ///< have tried to
  std::set<const Member*> unreached_;  ///< of those: in vain
  std::size_t probes_under_way_ = 0;
  std::size_t probes_failed_ = 0;
  std::size_t doubters_ = 0;              ///< got the binary over ssh so that they can try
  std::set<const Member*> out_of_reach_;  ///< have been it, and no other host got there
  bool swarm_is_closed_ = false;

  std::string torrent_name_;
  std::optional<Payload> payload_;
  std::uint64_t seeded_turn_ = 0;  ///< in which this machine was told to seed
  std::string seeding_problem_;
  Condition condition_;
  Gate pushes_;
};

}  // namespace murder::fleet
