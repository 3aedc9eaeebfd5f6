// Which process is it, and does it still run: what the record needs to tell a deploy that runs from
// one whose process died, and what `murder stop` needs never to end another process than it means.
#pragma once

#include <cstdint>
#include <string>

namespace murder {

struct ProcessIdentity {
  std::int64_t pid = 0;
  /// In ticks since the machine was started: process numbers are used again.
  std::int64_t started = 0;
  std::string machine;    ///< host name
  std::string boot;       ///< of the machine; another after each start
  std::string numbering;  ///< the namespace in which the number means something

  static ProcessIdentity of_this_process();
};

enum class ProcessStanding { runs, gone, elsewhere /* cannot be told from here */ };
ProcessStanding standing_of(const ProcessIdentity& process);

}  // namespace murder
