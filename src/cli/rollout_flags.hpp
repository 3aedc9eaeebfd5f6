// The flags that say how hosts are switched over.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "fleet/activation.hpp"

namespace murder::cli {

struct RolloutFlags {
  std::string waves;
  std::string pause;
  std::string max_failures;
  bool rollback_on_failure = false;
  std::string check;
  std::string check_url;
  std::string check_timeout = "10s";
  std::uint32_t check_retries = 5;
  std::string check_interval = "1s";
  std::string pre_activate;
  std::string post_activate;
  std::string hook_timeout = "60s";
  std::vector<std::string> link_shared;
  std::uint32_t keep = 5;
  std::string wait;

  void add_to(CLI::App& command);
  /// Those that mean something to `rollback`.
  void add_to_rollback(CLI::App& command);
  /// All but the tag. Error{usage} for values that cannot be used.
  fleet::ActivationOptions options() const;
};

/// Error{usage} for a DEST that is not fleet::is_destination().
void refuse_bad_destination(const std::string& dest);

}  // namespace murder::cli
