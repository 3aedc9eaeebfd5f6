// `murder doctor --hosts`: what would stand in the way of a deploy, host by host, and what to do
// about it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fleet/release_work.hpp"

namespace murder::fleet {

enum class Severity {
  fine,
  warning,  ///< a deploy works; slower, or something else will mislead
  problem,  ///< a deploy would fail there, or go by way of this machine alone
};

struct Finding {
  Severity severity = Severity::fine;
  std::string what;     ///< "clock": what was looked at
  std::string found;    ///< "13 minutes ahead"
  std::string way_out;  ///< empty where nothing is wrong
};

/// What the release that is to come takes on a host. All zero: not known, and then the release that
/// is live there is what it is judged by.
struct Needs {
  std::uint64_t bytes = 0;         ///< pack, tree and 5 %
  std::uint64_t entries = 0;       ///< files and folders
  std::uint64_t largest_file = 0;  ///< bytes; of the pack and what is in it
};

/// What a host's answers mean. Pure. `clock_offset_s`: of the host, ahead of this machine.
std::vector<Finding> judge(const orders::Hello& hello, const orders::Examined& examined,
                           double clock_offset_s, const Needs& needs);

class DoctorWork final : public OnReached {
 public:
  /// Called once a host, in the order of the list.
  using Tell = std::function<void(const Member&, const std::vector<Finding>&)>;
  DoctorWork(Fleet& fleet, const Needs& needs, Tell tell)
      : OnReached(fleet), needs_(needs), tell_(std::move(tell)) {}
  boost::asio::awaitable<void> run() override;

 private:
  boost::asio::awaitable<void> examine(Member& member);
  boost::asio::awaitable<void> listen(Member& member);
  boost::asio::awaitable<void> try_to_listen(Member& member);
  boost::asio::awaitable<void> probe(Member& member);
  void judge_session(const Member& member);
  void judge_addresses();
  void add(const Member& member, Finding finding);

  Needs needs_;
  Tell tell_;
  std::map<const Member*, std::vector<Finding>> findings_;
  std::map<const Member*, std::vector<std::string>> listening_;
};

}  // namespace murder::fleet
