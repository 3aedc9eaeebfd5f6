// `murder doctor --hosts`: what would stand in the way of a deploy, host by host, and what to do
// about it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fleet/release_work.hpp"

namespace murder::fleet {

enum class Severity { fine, warning, problem };

struct Finding {
  Severity severity = Severity::fine;
  std::string what;     ///< "clock": what was looked at
  std::string found;    ///< "13 minutes ahead"
  std::string way_out;  ///< empty where nothing is wrong
};

/// What a host's answers mean. Pure. `clock_offset_s`: of the host, ahead of this machine;
/// `needed_bytes`: 0 when not known.
std::vector<Finding> judge(const orders::Hello& hello, const orders::Examined& examined,
                           double clock_offset_s, std::uint64_t needed_bytes);

class DoctorWork final : public OnReached {
 public:
  using Tell = std::function<void(const Member&, const std::vector<Finding>&)>;
  DoctorWork(Fleet& fleet, Tell tell) : OnReached(fleet), tell_(std::move(tell)) {}
  boost::asio::awaitable<void> run() override;

 private:
  boost::asio::awaitable<void> examine(Member& member);
  boost::asio::awaitable<void> listen(Member& member);
  boost::asio::awaitable<void> probe(Member& member);

  Tell tell_;
  std::map<const Member*, std::vector<Finding>> findings_;
  std::map<const Member*, std::vector<std::string>> listening_;
};

}  // namespace murder::fleet
