// releases/TAG.partial from its making to its renaming: what stager and raw files have in common.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.hpp"
#include "host/attributes.hpp"
#include "host/destination.hpp"
#include "release/manifest.hpp"

namespace murder {

/// True when releases/TAG is there and was staged from this content; false when it is not there.
/// Throws Error{usage} when it is there with other content, or nobody knows with which.
bool is_staged(const Destination& destination, const std::string& tag, const Manifest& manifest);

/// The manifest a release was staged from; nullopt when none was kept. Throws Error{integrity} when
/// it cannot be read any more.
std::optional<Manifest> kept_manifest(const Destination& destination, const std::string& tag);

/// `destination` must outlive it. Left as it is when destroyed; the next one wipes it.
class StagingFolder {
 public:
  /// Wipes TAG.partial and makes it anew, for the caller alone. Error{usage} for a tag that names
  /// no release, Error{failed} when this process may not give files to `owner`: told here, before
  /// the first byte is fetched.
  StagingFolder(const Destination& destination, std::string tag, const Owner& owner);

  int fd() const { return fd_.get(); }
  /// Syncs the filesystem, keeps the manifest, renames TAG.partial to TAG, writes the journal. From
  /// the rename on it is a release.
  void publish(std::string_view stored_manifest);
  /// Throws the write_error() for `object`. A full disk is better off without what was staged so
  /// far: then TAG.partial is removed first.
  [[noreturn]] void fail(std::string_view operation, std::string_view object,
                         std::uint64_t needed_bytes, int error_number);

 private:
  const Destination& destination_;
  std::string tag_;
  std::string name_;  ///< TAG.partial
  UniqueFd releases_;
  UniqueFd fd_;
};

}  // namespace murder
