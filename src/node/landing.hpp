// Where a payload lands on a host: as a release below DEST (the pack is kept in .murder/packs), or
// with --file-only as DEST/NAME, a file or for a torrent of several files a folder. Decides what is
// there already, what is resumed and what is refused.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "bittorrent/metainfo.hpp"
#include "host/destination.hpp"
#include "host/lock.hpp"
#include "host/stager.hpp"
#include "node/options.hpp"
#include "node/payload.hpp"

namespace murder::node {

class Landing {
 public:
  /// Opens DEST and locks the tag there. Throws Error: usage (a tag that cannot be one, the same
  /// tag with other bytes), failed (in use, not writable, no room).
  static std::unique_ptr<Landing> prepare(const Metainfo& metainfo, const PeerOptions& options);

  bool is_release() const { return destination_.has_value(); }
  bool is_pack() const { return metainfo_.release && metainfo_.release->kind == PayloadKind::pack; }
  /// Frames are to be unpacked into the release.
  bool unpacks() const { return is_release() && is_pack() && !already_staged_; }
  bool already_staged() const { return already_staged_; }
  /// Something of the payload may be on disk from before.
  bool resumes() const { return resumes_; }
  /// The payload is whole and under its last name.
  bool payload_is_final() const { return final_; }
  const std::filesystem::path& payload_path() const { return path_; }
  const Destination& destination() const { return *destination_; }

  /// Every piece is verified: gives the payload its last name.
  void payload_complete(Payload& payload);
  /// Whatever is no pack: makes the release of the whole payload. Not with --file-only. `pause` as
  /// in StageOptions. Any thread.
  void stage(const std::function<void()>& pause) const;
  /// Others may stage the tag from here on; the payload stays readable.
  void unlock();

 private:
  Landing(const Metainfo& metainfo, const PeerOptions& options)
      : metainfo_(metainfo), options_(options) {}
  void prepare_release();
  void prepare_file();
  void take_folder();
  void take_file();
  std::vector<RawFile> raw_files() const;
  void remove_half_staged();

  const Metainfo& metainfo_;
  const PeerOptions& options_;
  std::optional<Destination> destination_;
  std::optional<TransferLock> lock_;
  UniqueFd file_lock_;
  std::filesystem::path path_;
  std::filesystem::path final_path_;
  bool already_staged_ = false;
  bool resumes_ = false;
  bool final_ = false;
};

}  // namespace murder::node
