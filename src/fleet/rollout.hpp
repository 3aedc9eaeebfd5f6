// When which hosts switch over: waves, gates, how many failures are borne, and going back.
// Decisions alone, without I/O and without a clock; whoever drives it performs each step and says
// how it went.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.hpp"

namespace murder::fleet {

/// A count, or a share of all hosts.
struct Portion {
  double value = 0;
  bool is_percent = false;
  /// Of `hosts`: a share is rounded up, so that "1%" of ten is one.
  std::size_t of(std::size_t hosts) const;
};
/// "3" or "10%". Throws Error{usage} naming `what`.
Portion parse_portion(std::string_view text, std::string_view what);
/// "1,10%,100%": how many hosts are switched after each wave, never fewer than after the one
/// before. The last wave is all hosts, whether it is said or not. Throws Error{usage}.
std::vector<Portion> parse_waves(std::string_view text, std::string_view what);

struct RolloutOptions {
  std::vector<Portion> waves;  ///< empty: all at once
  Duration pause{};            ///< between waves
  /// With more failed hosts than this the rollout stops. Absent: hosts that failed before they were
  /// to be switched stop nothing, one that failed in a wave stops the next.
  std::optional<Portion> max_failures;
  /// Stopped: every host that was switched goes back. Not stopped: those that failed after they
  /// were switched do.
  bool rollback_on_failure = false;
};

class Rollout {
 public:
  enum class Act {
    check,      ///< these, on which it is live already
    activate,   ///< switch these hosts over, and check those
    roll_back,  ///< switch these back
    pause,      ///< let `pause` pass
    done,
  };
  struct Step {
    Act act = Act::done;
    std::vector<std::size_t> hosts;  ///< in the order of the inventory
    std::size_t wave = 0;            ///< from 1
    std::size_t waves = 0;
  };

  /// `ready`: for each host of the inventory, whether it may be switched. `live`: whether the
  /// release is live there already (empty: nowhere), perhaps by a rollout that was cut short: those
  /// are checked before any other is switched, and never go back. The others have failed already.
  Rollout(RolloutOptions options, const std::vector<bool>& ready,
          const std::vector<bool>& live = {});

  /// What to do now. Before it is asked again, every host of a check, activate or roll_back
  /// step must have been answered for.
  Step next();
  void checked(std::size_t host, bool ok);
  /// `switched`: the new release is live there, even if something failed after that.
  void activated(std::size_t host, bool ok, bool switched);
  void rolled_back(std::size_t host, bool ok);
  /// No further wave begins; what is under way is seen through.
  void stop() { stopped_ = true; }

  /// It ended before all were switched.
  bool stopped() const { return stopped_; }
  /// Why it stopped; empty when nobody but stop() stopped it.
  const std::string& reason() const { return reason_; }
  std::size_t failures() const { return failures_; }

 private:
  enum class State { failed, ready, was_live, live, unwell, back };
  std::optional<Step> next_back();
  void judge();
  std::size_t ready_left() const;

  RolloutOptions options_;
  std::vector<State> hosts_;
  std::vector<std::size_t> ends_;  ///< how many hosts are switched after each wave
  std::size_t wave_ = 0;           ///< that come next
  std::size_t begun_ = 0;          ///< hosts that a wave has taken
  std::size_t failures_ = 0;
  std::size_t failures_in_waves_ = 0;  ///< or in the check before them
  bool checked_ = false;
  bool paused_ = true;  ///< before the next wave
  bool stopped_ = false;
  bool judged_ = true;
  std::string reason_;
};

}  // namespace murder::fleet
