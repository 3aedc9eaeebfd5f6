// Messages on their way over one virtual link, in order; and how long they are on a wire.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/units.hpp"
#include "bittorrent/wire.hpp"

namespace murder::sim {

/// Keeps its memory, so that nothing is allocated while a run goes on.
class Inbox {
 public:
  bool empty() const { return next_ == messages_.size(); }
  /// `at`: when it arrives, never before the one pushed last.
  void push(Instant at, const wire::Message& message) { messages_.emplace_back(at, message); }
  /// The next message, if it has arrived by `now`.
  bool take(Instant now, wire::Message& message) {
    if (empty() || messages_[next_].first > now) return false;
    message = std::move(messages_[next_].second);
    if (++next_ == messages_.size()) {
      messages_.clear();
      next_ = 0;
    }
    return true;
  }

 private:
  std::vector<std::pair<Instant, wire::Message>> messages_;
  std::size_t next_ = 0;
};

/// As wire::append() would write it, in bytes; of a piece the 13 before the data.
double message_bytes(const wire::Message& message);

}  // namespace murder::sim
