#include "fleet/rollout.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <utility>

#include "base/error.hpp"

namespace murder::fleet {

std::size_t Portion::of(std::size_t hosts) const {
  if (!is_percent) return static_cast<std::size_t>(value);
  return static_cast<std::size_t>(std::ceil(static_cast<double>(hosts) * value / 100 - 1e-9));
}

Portion parse_portion(std::string_view text, std::string_view what) {
  Portion portion;
  std::string_view number = text;
  if (number.ends_with('%')) {
    portion.is_percent = true;
    number.remove_suffix(1);
  }
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), portion.value);
  const bool is_number = !number.empty() && number.front() != '-' && error == std::errc() &&
                         end == number.data() + number.size() && std::isfinite(portion.value);
  const bool fits = portion.is_percent
                        ? portion.value <= 100
                        : portion.value <= 1e9 && portion.value == std::floor(portion.value);
  if (!is_number || !fits)
    throw Error(ErrorKind::usage,
                fmt::format("{}: '{}' is neither a number of hosts nor a share such as 10%", what,
                            printable(text)));
  return portion;
}

std::vector<Portion> parse_waves(std::string_view text, std::string_view what) {
  std::vector<Portion> waves;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    waves.push_back(parse_portion(text.substr(0, comma), what));
    if (waves.back().value == 0)
      throw Error(ErrorKind::usage, fmt::format("{}: a wave of no hosts", what));
    text.remove_prefix(std::min(text.size(), comma + 1));
  }
  return waves;
}

Rollout::Rollout(RolloutOptions options, const std::vector<bool>& ready,
                 const std::vector<bool>& live)
    : options_(std::move(options)) {
  for (std::size_t i = 0; i < ready.size(); ++i)
    hosts_.push_back(i < live.size() && live[i] ? State::was_live
                     : ready[i]                 ? State::ready
                                                : State::failed);
  const std::size_t count = ready_left();
  failures_ = static_cast<std::size_t>(std::count(hosts_.begin(), hosts_.end(), State::failed));
  // Of the hosts that can be switched: "10%" of a fleet of which half is down is not its first
  // fifth.
  for (const Portion& wave : options_.waves) {
    const std::size_t end =
        std::clamp<std::size_t>(wave.of(count), 1, std::max<std::size_t>(count, 1));
    if (ends_.empty() || end > ends_.back()) ends_.push_back(end);
  }
  if (ends_.empty() || ends_.back() < count) ends_.push_back(count);
  judge();
}

std::size_t Rollout::ready_left() const {
  return static_cast<std::size_t>(std::count(hosts_.begin(), hosts_.end(), State::ready));
}

/// Has too much gone wrong to go on?
void Rollout::judge() {
  judged_ = true;
  if (stopped_) return;
  if (options_.max_failures) {
    const std::size_t borne = options_.max_failures->of(hosts_.size());
    if (failures_ <= borne) return;
    reason_ = fmt::format("{} of {} hosts failed, and {} may", failures_, hosts_.size(), borne);
  } else {
    if (failures_in_waves_ == 0) return;
    reason_ = fmt::format("{} of {} hosts failed", failures_, hosts_.size());
    // Nobody is left to be kept from it; then nothing was stopped.
    if (ready_left() == 0 && !options_.rollback_on_failure) return;
  }
  stopped_ = true;
}

/// Those that are to go back now, if any.
std::optional<Rollout::Step> Rollout::next_back() {
  if (!options_.rollback_on_failure || failures_in_waves_ == 0) {
    // Stopped before anything was switched, or by hand: what is live stays.
    if (!stopped_ || reason_.empty() || !options_.rollback_on_failure) return std::nullopt;
  }
  Step step{Act::roll_back, {}, wave_, ends_.size()};
  for (std::size_t host = 0; host < hosts_.size(); ++host)
    if (hosts_[host] == State::unwell ||
        (stopped_ && !reason_.empty() && hosts_[host] == State::live))
      step.hosts.push_back(host);
  if (step.hosts.empty()) return std::nullopt;
  return step;
}

Rollout::Step Rollout::next() {
  if (!judged_) judge();
  if (auto back = next_back()) return *back;
  if (!stopped_ && !std::exchange(checked_, true)) {
    Step step{Act::check, {}, wave_, ends_.size()};
    for (std::size_t host = 0; host < hosts_.size(); ++host)
      if (hosts_[host] == State::was_live) step.hosts.push_back(host);
    if (!step.hosts.empty()) return step;
  }
  if (stopped_ || ready_left() == 0) return {Act::done, {}, wave_, ends_.size()};
  if (!paused_ && options_.pause > Duration{}) {
    paused_ = true;
    return {Act::pause, {}, wave_, ends_.size()};
  }
  const std::size_t end = ends_[std::min(wave_, ends_.size() - 1)];
  ++wave_;
  Step step{Act::activate, {}, wave_, ends_.size()};
  for (std::size_t host = 0; host < hosts_.size() && begun_ < end; ++host) {
    if (hosts_[host] != State::ready) continue;
    step.hosts.push_back(host);
    ++begun_;
    // Answered for by activated(); until then it counts as no longer ready.
    hosts_[host] = State::live;
  }
  paused_ = false;
  return step;
}

void Rollout::checked(std::size_t host, bool ok) {
  if (ok) return;
  judged_ = false;
  hosts_[host] = State::failed;
  ++failures_;
  ++failures_in_waves_;
}

void Rollout::activated(std::size_t host, bool ok, bool switched) {
  judged_ = false;
  if (ok) {
    hosts_[host] = State::live;
    return;
  }
  hosts_[host] = switched ? State::unwell : State::failed;
  ++failures_;
  ++failures_in_waves_;
}

void Rollout::rolled_back(std::size_t host, bool ok) {
  hosts_[host] = ok ? State::back : State::failed;
}

}  // namespace murder::fleet
