// DEST on a host: releases, the link that is live, and murder's own corner.
//
//   DEST/releases/TAG/            a release, complete and verified: it exists or it does not
//   DEST/releases/TAG.partial/    being staged
//   DEST/current -> releases/TAG  switched by rename(2)
//   DEST/shared/                  what releases link to; its content is never touched
//   DEST/.murder/                 locks, journal, manifests/, packs/, transfers/
//
// docs/host-layout.md says what each is for.
//
// All of it is reached through one directory descriptor, never again by path, so that DEST renamed
// or a symlink put in the way changes nothing (openat2(2) RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS;
// where the kernel refuses that call, a walk with O_NOFOLLOW).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/file.hpp"

namespace murder {

/// An opened DEST. Throws Error{usage} for an empty path or "/", Error{failed} when it cannot be
/// made, opened or written.
class Destination {
 public:
  /// `create` makes what is missing and may write; `existing` makes nothing and throws
  /// Error{failed} where nothing was ever staged.
  enum class Mode { create, existing };
  static Destination open(const std::filesystem::path& dest, Mode mode);

  const std::filesystem::path& path() const { return path_; }
  int fd() const { return fd_.get(); }
  std::filesystem::path pack_path(const std::string& tag) const;  ///< .murder/packs/TAG.tar.zst
  std::filesystem::path partial_pack_path(const std::string& tag) const;  ///< …TAG.tar.zst.partial
  std::filesystem::path metainfo_path(const std::string& tag) const;      ///< …TAG.torrent
  std::filesystem::path manifest_path(const std::string& tag) const;      ///< .murder/manifests/TAG
  bool has_release(const std::string& tag) const;  ///< false for what can be no release's tag
  /// What `current` points to; nullopt when nothing, or something that is no release of this DEST.
  std::optional<std::string> current_tag() const;
  struct Release {
    std::string tag;
    bool live = false;
    bool partial = false;
    std::int64_t staged_at = 0;  ///< seconds since the epoch; by the journal, else the folder's own
  };
  std::vector<Release> releases() const;  ///< newest first
  std::uint64_t free_bytes() const;       ///< that an ordinary user may fill (f_bavail)

 private:
  std::filesystem::path path_;
  UniqueFd fd_;
};

// Callers of append_journal, activate and rollback hold the DestinationLock (host/lock.hpp).

/// What was live when: one JSON object a line in .murder/journal, appended and fsynced.
struct JournalEntry {
  std::int64_t at = 0;  ///< seconds since the epoch
  std::string action;   ///< "staged", "activated", "rolled-back"
  std::string tag;
  std::string previous_tag;  ///< live before; may be empty
};
void append_journal(const Destination& destination, const JournalEntry& entry);
/// Oldest first; lines that cannot be read (a torn last one) are skipped.
std::vector<JournalEntry> read_journal(const Destination& destination);

/// `current` → releases/TAG, by rename(2) of a fresh symlink, folder fsynced, journalled. Throws
/// Error{failed} when the release is not there or `current` is no symlink; then nothing changed.
/// Returns the tag that was live before, if any. Already live: nothing to do.
std::optional<std::string> activate(const Destination& destination, const std::string& tag);
/// To `tag`, or when empty to what was live before the present one (from the journal; skipping
/// releases that are gone). Throws Error{failed} when there is none. Returns the tag that is live
/// now. Like an editor's undo: each rollback goes further back, to what was live before the release
/// that it arrived at first became live, and never forth again; activate() does that.
std::string rollback(const Destination& destination, const std::string& tag);
/// What rollback() would go to without a tag; nullopt: nothing.
std::optional<std::string> previous_release(const Destination& destination);

/// How an installed release differs from the manifest it was staged from.
struct Drift {
  enum class Kind { missing, added, type, content, mode, link } kind;
  std::string path;
  std::string detail;  ///< "mode 0644, not 0755"
};
/// Empty: it is what was staged. Reads every file. What link_shared() linked is no drift. Throws
/// Error{failed} when release or manifest is not there, or `stop` was requested.
std::vector<Drift> verify_release(const Destination& destination, const std::string& tag,
                                  const std::stop_token& stop = {});

}  // namespace murder
