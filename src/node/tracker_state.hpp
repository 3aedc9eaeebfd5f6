// The file in which a tracker keeps its state over a restart.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/digest.hpp"
#include "base/units.hpp"
#include "tracker/admission.hpp"
#include "tracker/registry.hpp"

namespace murder::node {

class TrackerState {
 public:
  /// Brings back into `registry` what the file has, but for whom `admission` does not let in any
  /// more; where there is no file, writes one. Throws Error{failed}: it cannot be read or written,
  /// or is something else. What cannot be written later is told to `warn` once.
  TrackerState(std::filesystem::path path, tracker::Registry& registry,
               const tracker::Admission& admission, Instant now,
               std::function<void(const std::string&)> warn);

  /// Call about once a second. Writes what is new every 10 s; less often where that takes long.
  void refresh(Instant now);
  /// Writes what is new, onto the disk.
  void save();

 private:
  void write(bool durable);

  std::filesystem::path path_;
  tracker::Registry& registry_;
  std::function<void(const std::string&)> warn_;
  Sha256Digest written_{};
  bool is_failing_ = false;
  Instant next_;
};

}  // namespace murder::node
