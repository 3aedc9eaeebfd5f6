// A source tree as the tar stream it packs to. Everything is laid out before a byte of content is
// read, so any part of the stream can be made by any thread: that is what lets the threads of a
// packer read, hash and compress without waiting for one reader.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "release/ordered_hasher.hpp"
#include "release/scan.hpp"

namespace murder {

class TarStream {
 public:
  TarStream(SourceTree tree, MtimePolicy policy, std::int64_t fixed_mtime);
  TarStream(const TarStream&) = delete;
  TarStream& operator=(const TarStream&) = delete;

  /// Bytes, with the two blocks of zeros at the end.
  std::uint64_t size() const { return size_; }

  /// Fills `out` with the stream's bytes from `offset` on and hashes the contents that they hold.
  /// Any thread, disjoint parts, each part once, taken up in ascending order (a part that goes on
  /// with a file waits for the one before). Throws Error{failed} naming a file that cannot be read
  /// or is no longer what it was when the tree was scanned; then the parts behind this one fail
  /// too, those before it do not.
  void read(std::uint64_t offset, std::span<std::uint8_t> out);

  /// After all of it was read: the entries, complete. Once.
  std::vector<Entry> take_entries();
  /// Files and folders so far whose extended attributes a pack does not carry.
  std::uint64_t entries_with_attributes() const { return with_attributes_; }

 private:
  struct Place {
    std::uint64_t header = 0;  // where the entry's first header block begins
    std::uint64_t content = 0;
  };

  std::int64_t header_mtime(const Entry& entry) const;
  void read_header(std::size_t index, std::uint64_t offset, std::span<std::uint8_t> out) const;
  void read_content(std::size_t index, std::uint64_t from, std::span<std::uint8_t> out);
  void check_unchanged(const SourceEntry& source, int fd) const;

  SourceTree tree_;
  MtimePolicy policy_;
  std::int64_t fixed_mtime_;
  std::vector<Place> places_;
  std::uint64_t size_ = 0;
  OrderedHasher hasher_;
  std::atomic<std::uint64_t> with_attributes_;
};

}  // namespace murder
