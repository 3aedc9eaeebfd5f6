// The lock that whoever activates holds, on every host of a fleet, so that of two deploys one has
// them all and the other none. A host's lock goes with its session; one that is opened anew takes
// it again. Belongs to the thread that runs the io_context.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "fleet/fleet.hpp"
#include "orders/orders.hpp"

namespace murder::fleet {

class FleetLock {
 public:
  /// `tag`: what is to be live; may be empty. `wait`: how long another deploy is waited for.
  /// `patience_with_old_session`: how long a lost session may need for what it still sees through.
  FleetLock(Fleet& fleet, std::string tag, Duration wait, Duration patience_with_old_session);

  /// All of them, or none and Error{failed} naming who holds one; then the staged ones are
  /// `not_switched`. A host that cannot answer has failed. What is live is known anew: the reports
  /// say it, and `unchanged` hosts that another deploy has switched are `staged`.
  boost::asio::awaitable<void> take(std::vector<Member*> members);
  boost::asio::awaitable<void> release(std::vector<Member*> members);
  /// Nothing more is waited for.
  void stop();

 private:
  /// Who keeps us out, and where.
  struct Held {
    std::string words;  ///< "web-1 is locked by …"; empty: nobody
    bool leaving = false;
    bool is_first = false;  ///< by name, so that the other has them all
  };
  boost::asio::awaitable<void> take_all(std::vector<Member*> members);
  boost::asio::awaitable<Held> try_all(std::vector<Member*> members, bool in_turn);
  boost::asio::awaitable<void> take_one(Member& member, Held& held);
  boost::asio::awaitable<void> take_again(Member& member);
  orders::Lock lock_order(const Member& member) const;

  Fleet& fleet_;
  std::string tag_;
  Duration wait_;
  Duration patience_with_old_session_;
  Condition pause_;
  bool stopped_ = false;
};

}  // namespace murder::fleet
