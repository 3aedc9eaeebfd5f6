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

namespace murder::fleet {

class Origin {
 public:
  /// `named`: the host that the user wants (--origin); empty: the first that answers.
  Origin(Fleet& fleet, HostBinaries& binaries, std::string named);

  /// Told of a host that was the origin and that no other reaches.
  void set_on_closed(std::function<void(Member&)> on_closed) { on_closed_ = std::move(on_closed); }

  /// Reads the binary for machines like this one, which is looked for on each host first.
  boost::asio::awaitable<void> prepare();
  /// What a host that lacks murder is told: to fetch it from the origin, or, when there is none or
  /// it did not get through, to take it over its session. The first to ask becomes the origin.
  boost::asio::awaitable<Supply> supply(Member& member, std::string machine, std::string failure);
  /// It has murder now. If the origin's doing is in doubt, it finds out; else returns at once.
  boost::asio::awaitable<void> bootstrapped(Member& member);
  /// The torrent that is to lie at the origin, whichever host that is.
  void set_torrent(const std::string& name, std::string torrent);
  /// Waits until it lies there and others reach it, `candidate` being one of those that try; when
  /// nobody is the origin, `candidate` becomes it. False: it is not to be had there (now), hand it
  /// over. Throws Error when none of the hosts can be the origin.
  boost::asio::awaitable<bool> torrent_ready(Member& candidate);

  Member* host() { return host_; }
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
  boost::asio::awaitable<void> publish_binary(const std::string& machine);
  boost::asio::awaitable<Supply> push(Member& member, Supply supply, std::string machine,
                                      std::string failure);
  boost::asio::awaitable<void> take_over();
  void choose(Member* member);
  void close();
  void look_for_host(Member& candidate);
  bool may_be(const Member& member) const;

  Fleet& fleet_;
  HostBinaries& binaries_;
  std::function<void(Member&)> on_closed_;
  std::string named_;
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
  std::string torrent_;
  Condition condition_;
  Gate pushes_;
};

}  // namespace murder::fleet
