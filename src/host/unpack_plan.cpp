#include "host/unpack_plan.hpp"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"
#include "host/beneath.hpp"

namespace murder {
namespace {

[[noreturn]] void refuse(std::string_view path, std::string_view why) {
  throw Error(ErrorKind::integrity, fmt::format("refused to unpack {}: {}", printable(path), why));
}

}  // namespace

class UnpackPlan::Builder {
 public:
  explicit Builder(UnpackPlan& plan) : plan_(plan), manifest_(plan.manifest_) {}

  void build() {
    plan_.folders_.push_back({});
    plan_.places_.resize(manifest_.entries.size());
    entry_index_.reserve(manifest_.entries.size());
    for (std::size_t i = 0; i < manifest_.entries.size(); ++i) place(i);
    // A hard link may come before the file it names.
    for (std::size_t i = 0; i < manifest_.entries.size(); ++i) resolve_link(i);
    order_files();
  }

 private:
  void place(std::size_t index) {
    const Entry& entry = manifest_.entries[index];
    if (!is_safe_path(entry.path)) refuse(entry.path, "its path leads out of the release");
    if (!entry_index_.emplace(entry.path, index).second) refuse(entry.path, "it is named twice");
    Place& place = plan_.places_[index];
    const std::size_t slash = entry.path.rfind('/');
    if (slash != std::string::npos) {
      place.parent = folder(std::string_view(entry.path).substr(0, slash), entry.path);
      place.name_offset = static_cast<std::uint32_t>(slash + 1);
    }
    if (entry.type == EntryType::directory) {
      folder_index_.emplace(entry.path, static_cast<std::uint32_t>(plan_.folders_.size()));
      plan_.folders_.push_back({index, place.parent});
    } else if (entry.type == EntryType::symlink) {
      if (entry.link_target.empty() || entry.link_target.find('\0') != std::string::npos)
        refuse(entry.path, "a symlink to nothing");
    } else if (entry.type != EntryType::file && entry.type != EntryType::hardlink) {
      refuse(entry.path, "an entry of no known type");
    }
  }

  std::uint32_t folder(std::string_view path, std::string_view below) const {
    const auto found = folder_index_.find(path);
    if (found == folder_index_.end()) refuse(below, "it does not lie in a folder of the release");
    return found->second;
  }

  void resolve_link(std::size_t index) {
    const Entry& entry = manifest_.entries[index];
    if (entry.type != EntryType::hardlink) return;
    const auto target = entry_index_.find(entry.link_target);
    if (target == entry_index_.end() || manifest_.entries[target->second].type != EntryType::file)
      refuse(entry.path, "a hard link to what is not a file of the release");
    plan_.places_[index].target = target->second;
  }

  void order_files() {
    std::uint64_t tar_size = 0;
    for (const Frame& frame : manifest_.frames) {
      if (frame.raw_offset != tar_size || frame.raw_size > UINT64_MAX - tar_size)
        throw Error(ErrorKind::integrity, "refused to unpack: the frames of the pack do not join");
      tar_size += frame.raw_size;
    }
    auto& order = plan_.tar_order_;
    for (std::size_t i = 0; i < manifest_.entries.size(); ++i) {
      const Entry& entry = manifest_.entries[i];
      if (entry.type != EntryType::file || entry.size == 0) continue;
      if (entry.tar_offset > tar_size || entry.size > tar_size - entry.tar_offset)
        refuse(entry.path, "its content lies outside of the pack");
      order.push_back(i);
    }
    std::sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
      return manifest_.entries[a].tar_offset < manifest_.entries[b].tar_offset;
    });
    for (std::size_t i = 1; i < order.size(); ++i) {
      const Entry& before = manifest_.entries[order[i - 1]];
      const Entry& entry = manifest_.entries[order[i]];
      if (before.tar_offset + before.size > entry.tar_offset)
        refuse(entry.path, "its content overlaps with that of another file");
    }
  }

  UnpackPlan& plan_;
  const Manifest& manifest_;
  // Views into the manifest's paths.
  std::unordered_map<std::string_view, std::size_t> entry_index_;
  std::unordered_map<std::string_view, std::uint32_t> folder_index_;
};

UnpackPlan::UnpackPlan(const Manifest& manifest) : manifest_(manifest) { Builder(*this).build(); }

std::vector<UnpackPlan::Part> UnpackPlan::parts_of(std::size_t frame_index) const {
  const Frame& frame = manifest_.frames[frame_index];
  const std::uint64_t frame_end = frame.raw_offset + frame.raw_size;
  std::vector<Part> parts;
  const auto first =
      std::partition_point(tar_order_.begin(), tar_order_.end(), [&](std::size_t index) {
        const Entry& entry = manifest_.entries[index];
        return entry.tar_offset + entry.size <= frame.raw_offset;
      });
  for (auto index = first; index != tar_order_.end(); ++index) {
    const Entry& entry = manifest_.entries[*index];
    if (entry.tar_offset >= frame_end) break;
    const std::uint64_t begin = std::max(entry.tar_offset, frame.raw_offset);
    const std::uint64_t end = std::min(entry.tar_offset + entry.size, frame_end);
    parts.push_back({*index, begin - entry.tar_offset, begin - frame.raw_offset, end - begin});
  }
  return parts;
}

}  // namespace murder
