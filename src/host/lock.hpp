// Who may change what in a DEST. Each lock is flock(2) on a file in .murder, so that a crash frees
// it; the file's text says who holds it and is for people alone.
//
//   lock               a short change: a line of the journal, a switch, releases taken away
//   transfers/TAG.lock a transfer of TAG: fetching, unpacking, renaming into place
//   deploy.lock        a deploy that activates here, for as long as its session lives
//
// Transfers of different tags go on side by side. Whoever holds a transfer's or a deploy's lock
// takes the short one for each change, and never the other way round.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "host/destination.hpp"

namespace murder {

/// Somebody else holds a lock.
class LockHeld : public Error {
 public:
  LockHeld(const std::string& message, std::string holder)
      : Error(ErrorKind::failed, message), holder_(std::move(holder)) {}
  /// "process 4711 (murder peer v7.torrent --to /srv/app, since 2026-11-22 10:15:02 UTC)".
  const std::string& holder() const { return holder_; }

 private:
  std::string holder_;
};

/// One process at a time makes a short change. Held until destroyed.
class DestinationLock {
 public:
  /// Waits while others hold it, at most `patience`; then throws LockHeld.
  explicit DestinationLock(const Destination& destination,
                           Duration patience = std::chrono::seconds(30));

 private:
  UniqueFd fd_;
};

/// One process at a time stages a tag. Held until destroyed.
class TransferLock {
 public:
  /// Throws LockHeld when another holds it.
  TransferLock(const Destination& destination, const std::string& tag);
  /// Who stages the tag now; empty: nobody.
  static std::string holder(const Destination& destination, const std::string& tag);
  /// Takes the lock's file away; the lock is held all the same.
  void remove_file();

 private:
  UniqueFd folder_;
  std::string name_;
  UniqueFd fd_;
};

/// One deploy at a time activates. Held until destroyed; who came second goes away or comes again.
class DeployLock {
 public:
  /// `deploy` is its id, `who` its user ("alice@laptop"), `host` what it calls this host. Throws
  /// LockHeld, whose holder() is such as "deploy 20261122-101502-ab12 of alice@laptop, since
  /// 2026-11-22 10:15:02 UTC".
  DeployLock(const Destination& destination, const std::string& deploy, const std::string& who,
             const std::string& host = {});
  DeployLock(DeployLock&&) noexcept = default;
  DeployLock& operator=(DeployLock&&) noexcept = default;
  ~DeployLock();
  /// Says in the lock's file that its holder is there.
  void touch() noexcept;
  /// Says there that it will be let go as soon as what is under way has ended.
  void set_leaving() noexcept;

  struct Holder {
    std::string words;  ///< as of LockHeld::holder()
    std::string deploy;
    std::string host;
    int pid = 0;
    std::int64_t held_s = 0;    ///< since it was taken
    std::int64_t silent_s = 0;  ///< since it was taken or touched last
    bool leaving = false;
  };
  /// Who holds it now; nullopt: nobody.
  static std::optional<Holder> look(const Destination& destination);
  /// Who holds it now; empty: nobody.
  static std::string holder(const Destination& destination);

 private:
  UniqueFd fd_;
};

}  // namespace murder
