// The host from which a deploy starts: it runs the tracker, serves the torrent and the binary, and
// seeds. It is chosen when the first host needs one, and another is when it is lost.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
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

  /// Reads the binary for machines like this one, which is looked for on each host first.
  boost::asio::awaitable<void> prepare();
  /// What a host that lacks murder is told: to fetch it from the origin, or, when there is none or
  /// it did not get through, to take it over its session. The first to ask becomes the origin.
  boost::asio::awaitable<Supply> supply(Member& member, NeedsBinary need, std::string failure);
  /// Waits until there is an origin whose tracker runs; `candidate` becomes it when nobody is.
  /// Throws Error when none of the hosts can be.
  boost::asio::awaitable<void> ready(Member& candidate);
  /// The torrent that is to lie at the origin, whichever host that is.
  void set_torrent(const std::string& name, std::string torrent);
  /// Waits until it lies there. Throws Error.
  boost::asio::awaitable<void> torrent_ready(Member& candidate);

  Member* host() { return host_; }
  bool is_ready() const { return ready_; }
  /// There has been one.
  bool was_ready() const { return !announce_urls_.empty(); }
  const std::string& announce_url() const { return runs_.announce_url; }
  /// All that there have been, the present one first: a tracker that was taken for dead may live.
  const std::vector<std::string>& announce_urls() const { return announce_urls_; }
  std::string torrent_url() const;
  /// It is no more: a host whose transfer runs takes over, if there is one; else the next that
  /// asks.
  boost::asio::awaitable<void> replace(std::string why);
  /// Its tracker is silent though the host answers: starts it again.
  boost::asio::awaitable<void> restart_tracker();

 private:
  boost::asio::awaitable<void> set_up(Member& member);
  boost::asio::awaitable<void> publish(std::string file, const std::string* content);
  boost::asio::awaitable<void> publish_binary(const std::string& machine);
  void choose(Member& member);
  void look_for_host(Member& candidate);
  bool may_be(const Member& member) const;

  Fleet& fleet_;
  HostBinaries& binaries_;
  std::string named_;
  Member* host_ = nullptr;
  bool ready_ = false;
  bool setting_up_ = false;
  orders::TrackerRuns runs_;
  std::vector<std::string> announce_urls_;
  std::set<std::string> published_;  ///< the files that lie there
  std::set<std::string> publishing_;
  std::set<const Member*> unfit_;  ///< have been it, and were lost
  std::string problem_;            ///< why the last one could not be it
  std::string torrent_name_;
  std::string torrent_;
  Condition condition_;
  Gate pushes_;
};

}  // namespace murder::fleet
