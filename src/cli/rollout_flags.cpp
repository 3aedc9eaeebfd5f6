#include "cli/rollout_flags.hpp"

#include <cmath>
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/units.hpp"

namespace murder::cli {
namespace {

std::uint32_t whole_seconds(const std::string& text, std::string_view flag) {
  const double seconds = to_seconds(parse_duration(text, flag));
  if (seconds < 1 || seconds > 86'400)
    throw Error(ErrorKind::usage, fmt::format("{}: 1s to 24h", flag));
  return static_cast<std::uint32_t>(std::lround(seconds));
}

}  // namespace

void RolloutFlags::add_to(CLI::App& command) {
  command
      .add_option("--waves", waves,
                  "How many hosts are switched after each wave, such as 1,10%,100% (default: all "
                  "at once)")
      ->type_name("LIST");
  command.add_option("--pause", pause, "Between two waves")->type_name("TIME");
  command
      .add_option("--max-failures", max_failures,
                  "Stop when more hosts fail, such as 3 or 10% (default: a host that fails in a "
                  "wave stops the next, others stop nothing)")
      ->type_name("COUNT|SHARE");
  command.add_flag("--rollback-on-failure", rollback_on_failure,
                   "Put the switched hosts back when the rollout stops");
  command.add_option("--check", check, "Run on each switched host: status 0 means that it is well")
      ->type_name("COMMAND");
  command
      .add_option("--check-url", check_url,
                  "Fetched on each switched host: status 200 to 299 means that it is well")
      ->type_name("URL");
  command.add_option("--check-timeout", check_timeout, "Of each try (default: 10s)")
      ->type_name("TIME");
  command
      .add_option("--check-retries", check_retries,
                  "Further tries before a host is taken for unwell (default: 5)")
      ->type_name("COUNT");
  command.add_option("--check-interval", check_interval, "Between two tries (default: 1s)")
      ->type_name("TIME");
  command
      .add_option("--pre-activate", pre_activate,
                  "Run on each host in the new release before it is switched; if it fails, it is "
                  "not")
      ->type_name("COMMAND");
  command
      .add_option("--link-shared", link_shared,
                  "Link this path of the release to DEST/shared; may be repeated")
      ->type_name("PATH");
  command
      .add_option(
          "--keep", keep,
          "Newest releases kept on each host, and always the live one and the one before it; 0: "
          "all (default: 5)")
      ->type_name("COUNT");
  add_to_rollback(command);
}

void RolloutFlags::add_to_rollback(CLI::App& command) {
  command
      .add_option("--post-activate", post_activate,
                  "Run on each host after it was switched, such as a restart; after a rollback too")
      ->type_name("COMMAND");
  command.add_option("--hook-timeout", hook_timeout, "Of each of the two (default: 60s)")
      ->type_name("TIME");
  command
      .add_option("--wait", wait,
                  "Wait so long for another deploy that is switching these hosts (default: refuse)")
      ->type_name("TIME");
}

fleet::ActivationOptions RolloutFlags::options() const {
  fleet::ActivationOptions options;
  options.rollout.waves = fleet::parse_waves(waves, "--waves");
  if (!pause.empty()) options.rollout.pause = parse_duration(pause, "--pause");
  if (!max_failures.empty())
    options.rollout.max_failures = fleet::parse_portion(max_failures, "--max-failures");
  options.rollout.rollback_on_failure = rollback_on_failure;
  if (!check.empty() && !check_url.empty())
    throw Error(ErrorKind::usage, "--check and --check-url: give one of them");
  if (!check_url.empty() && !check_url.starts_with("http://"))
    throw Error(ErrorKind::usage,
                fmt::format("--check-url: '{}' is no http:// address; for others use --check "
                            "'curl -fsS URL'",
                            printable(check_url)));
  options.check.command = check;
  options.check.url = check_url;
  options.check.timeout_s = whole_seconds(check_timeout, "--check-timeout");
  options.check.tries = check_retries + 1;
  options.check.interval_ms = static_cast<std::uint32_t>(
      to_seconds(parse_duration(check_interval, "--check-interval")) * 1000);
  const std::uint32_t hook_timeout_s = whole_seconds(hook_timeout, "--hook-timeout");
  options.before = {pre_activate, hook_timeout_s};
  options.after = {post_activate, hook_timeout_s};
  options.link_shared = link_shared;
  options.keep = keep;
  if (!wait.empty()) options.wait_for_lock = parse_duration(wait, "--wait");
  return options;
}

void refuse_bad_destination(const std::string& dest) {
  if (!fleet::is_destination(dest))
    throw Error(ErrorKind::usage,
                fmt::format("--to: '{}' is no folder of its own on the hosts: name one with its "
                            "whole path, such as /srv/app",
                            printable(dest)));
}

}  // namespace murder::cli
