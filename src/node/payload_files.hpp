// The files of a torrent of several as one run of bytes, the payload, where they lie: in a folder
// that is served, or that pieces are written to. Padding is on no disk and reads as zeros.
//
// However many files, few are open: those used last. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/file.hpp"
#include "bittorrent/metainfo.hpp"
#include "node/options.hpp"

namespace murder::node {

class PayloadFiles {
 public:
  /// For reading. Error{integrity} names a file that is not there, no regular file or of another
  /// length. Symlinks are followed: the folder is the user's. `metainfo` outlives this.
  PayloadFiles(const Metainfo& metainfo, const std::filesystem::path& folder);
  /// For writing: makes what is not there of files and folders, below the folder and nowhere else,
  /// and takes room for each as `allocation` says.
  PayloadFiles(const Metainfo& metainfo, const std::filesystem::path& folder,
               Allocation allocation);

  /// False when a file ends before its part does.
  bool read(std::span<std::uint8_t> out, std::uint64_t offset);
  void write(std::string_view data, std::uint64_t offset);
  /// All of it is on disk when this returns.
  void sync();

  struct Place {
    std::shared_ptr<const UniqueFd> file;
    std::uint64_t offset = 0;
  };
  /// Where these bytes lie when it is in one file.
  std::optional<Place> place_in_one(std::uint64_t offset, std::uint64_t length);

 private:
  struct Slot {
    std::size_t file = 0;
    std::uint64_t used = 0;
    std::shared_ptr<const UniqueFd> fd;
  };
  static constexpr std::size_t most_open = 64;

  void check(const TorrentFile& file) const;
  void make(std::size_t index, Allocation allocation);
  UniqueFd open_new(const TorrentFile& file) const;
  std::shared_ptr<const UniqueFd> open(std::size_t index);
  /// The file that holds this byte.
  std::size_t index_at(std::uint64_t offset) const;
  std::filesystem::path path_of(const TorrentFile& file) const { return folder_ / file.path; }

  const Metainfo& metainfo_;
  const std::filesystem::path folder_;
  const bool writes_;
  UniqueFd fd_;
  std::mutex mutex_;
  std::array<Slot, most_open> open_;  ///< guarded by mutex_
  std::uint64_t clock_ = 0;           ///< guarded by mutex_
};

/// What lies in the folder and belongs to no file of the torrent; nullopt: nothing.
std::optional<std::filesystem::path> stranger_among(const Metainfo& metainfo,
                                                    const std::filesystem::path& folder);

}  // namespace murder::node
