// The registry against a model too simple to be wrong: a map of hosts, through random histories of
// joining, progress, completing, failing, restarting, leaving and falling silent, and of the
// tracker restarting.
#include <gtest/gtest.h>
#include <map>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "tracker/fleet.hpp"

namespace murder::tracker::test {
namespace {

struct ModelHost {
  enum class Fate { waiting, complete, failed } fate = Fate::waiting;
  bool present = true;
  std::uint32_t peer = 0;  // the number of its present process
  Instant last_seen;
};

class Model {
 public:
  explicit Model(std::uint32_t expect)
      : tracker({.expect = expect, .degree = 4}), expect_(expect) {}

  void act(std::uint32_t name, std::uint32_t action) {
    const auto known = hosts_.find(name);
    const bool is_present = known != hosts_.end() && known->second.present;
    switch (action) {
      case 0:  // starts, or starts again as a new process
        hosts_[name] = {ModelHost::Fate::waiting, true, ++processes_, tracker.now};
        say(name, everything, AnnounceEvent::started);
        break;
      case 1:
        if (is_present && known->second.fate == ModelHost::Fate::waiting)
          say(name, everything / 2, AnnounceEvent::none);
        break;
      case 2:
        if (is_present) {
          known->second.fate = ModelHost::Fate::complete;
          say(name, 0, AnnounceEvent::completed);
        }
        break;
      case 3:
        if (is_present) {
          known->second.fate = ModelHost::Fate::failed;
          say(name, everything / 2, AnnounceEvent::none);
        }
        break;
      case 4:
        if (is_present) {
          const bool waits = known->second.fate == ModelHost::Fate::waiting;
          say(name, known->second.fate == ModelHost::Fate::complete ? 0 : 7,
              AnnounceEvent::stopped);
          known->second.present = false;
          if (waits) hosts_.erase(known);
        }
        break;
      case 5:
        tracker.restart();
        for (auto& [other, h] : hosts_) h.last_seen = tracker.now;
        break;
      default:
        tracker.wait(seconds(3));
        fall_silent();
        break;
    }
  }

  void check() const {
    std::uint32_t complete = 0, failed = 0, waiting = 0, present_complete = 0;
    for (const auto& [name, h] : hosts_) {
      complete += h.fate == ModelHost::Fate::complete;
      failed += h.fate == ModelHost::Fate::failed;
      waiting += h.fate == ModelHost::Fate::waiting;
      present_complete += h.present && h.fate == ModelHost::Fate::complete;
    }
    const auto views = tracker.registry->swarms(tracker.now);
    if (views.empty()) {
      RC_ASSERT(hosts_.empty());
      return;
    }
    RC_ASSERT(views.at(0).hosts == hosts_.size());
    RC_ASSERT(views.at(0).complete_hosts == complete);
    RC_ASSERT(views.at(0).failed_hosts == failed);
    RC_ASSERT(tracker.scrape().incomplete == waiting);
    RC_ASSERT(tracker.scrape().complete == present_complete);
    if (expect_ > 0)
      RC_ASSERT(views.at(0).swarm_complete == (complete + failed >= expect_ && waiting == 0));
    else
      RC_ASSERT(!views.at(0).swarm_complete || (waiting == 0 && complete > 0));
  }

  Tracker tracker;

 private:
  void say(std::uint32_t name, std::uint64_t left, AnnounceEvent event) {
    ModelHost& h = hosts_.at(name);
    AnnounceRequest r = host(1000 + h.peer, left, event);
    r.host_name = "name-" + std::to_string(name);
    r.failed = h.fate == ModelHost::Fate::failed;
    h.last_seen = tracker.now;
    const AnnounceReply reply = tracker.announce(r);
    RC_ASSERT(reply.failure_reason.empty());
    for (const Endpoint& e : reply.fleet->dial) RC_ASSERT(is_present_at(e));
  }
  bool is_present_at(const Endpoint& e) const {
    for (const auto& [name, h] : hosts_)
      if (h.present && endpoint(1000 + h.peer) == e) return true;
    return false;
  }
  void fall_silent() {
    for (auto it = hosts_.begin(); it != hosts_.end();) {
      ModelHost& h = it->second;
      if (h.present && tracker.now - h.last_seen >= seconds(13)) h.present = false;
      const bool is_lost = !h.present && h.fate == ModelHost::Fate::waiting;
      it = is_lost ? hosts_.erase(it) : std::next(it);
    }
  }

  std::uint32_t expect_;
  std::uint32_t processes_ = 0;
  std::map<std::uint32_t, ModelHost> hosts_;
};

RC_GTEST_PROP(RegistryModel, counts_every_host_once_whatever_happens_to_it, ()) {
  Model model(*rc::gen::inRange<std::uint32_t>(0, 8));
  using Step = std::pair<std::uint32_t, std::uint32_t>;
  const auto steps = *rc::gen::container<std::vector<Step>>(
      rc::gen::pair(rc::gen::inRange<std::uint32_t>(0, 10), rc::gen::inRange<std::uint32_t>(0, 7)));
  for (const auto& [name, action] : steps) {
    model.act(name, action);
    model.check();
  }
}

}  // namespace
}  // namespace murder::tracker::test
