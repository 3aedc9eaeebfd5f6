#include "cli/tree_compare.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <span>
#include <string_view>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace murder::cli {
namespace {

std::string_view name_of(EntryType type) {
  switch (type) {
    case EntryType::file:
      return "file";
    case EntryType::directory:
      return "folder";
    case EntryType::symlink:
      return "symlink";
    case EntryType::hardlink:
      return "hard link";
  }
  return "";
}

class ContentComparer {
 public:
  /// The first `size` bytes of both files, from where they stand. The names are for errors.
  bool same(int a, const std::string& a_name, int b, const std::string& b_name, std::uint64_t size,
            const std::stop_token& stop) {
    for (std::uint64_t left = size; left > 0 && !stop.stop_requested();) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, a_.size()));
      if (fill(a, a_name, std::span(a_).first(count)) != count ||
          fill(b, b_name, std::span(b_).first(count)) != count ||
          std::memcmp(a_.data(), b_.data(), count) != 0)
        return false;
      left -= count;
    }
    return true;
  }

 private:
  /// How much there was; less than asked for at the end of the file alone.
  static std::size_t fill(int fd, const std::string& name, std::span<char> out) {
    std::size_t got = 0;
    while (got < out.size()) {
      const ssize_t n = ::read(fd, out.data() + got, out.size() - got);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw_system_error("cannot read", name, errno);
      if (n == 0) break;
      got += static_cast<std::size_t>(n);
    }
    return got;
  }

  std::vector<char> a_ = std::vector<char>(256u << 10);
  std::vector<char> b_ = std::vector<char>(256u << 10);
};

class TreeComparer {
 public:
  TreeComparer(const SourceTree& source, const SourceTree& other, std::stop_token stop,
               std::size_t limit)
      : source_(source), other_(other), stop_(std::move(stop)), limit_(limit) {}

  std::vector<std::string> run() && {
    auto a = source_.entries.begin();
    auto b = other_.entries.begin();
    while ((a != source_.entries.end() || b != other_.entries.end()) && !finished()) {
      // Both are sorted by path.
      if (b == other_.entries.end() ||
          (a != source_.entries.end() && a->entry.path < b->entry.path))
        differ((a++)->entry.path, "missing");
      else if (a == source_.entries.end() || b->entry.path < a->entry.path)
        differ((b++)->entry.path, "not in the source");
      else
        compare((a++)->entry, (b++)->entry);
    }
    return std::move(differences_);
  }

 private:
  bool finished() const { return differences_.size() >= limit_ || stop_.stop_requested(); }

  void differ(const std::string& path, std::string_view how) {
    differences_.push_back(fmt::format("{}: {}", printable(path), how));
  }

  void compare(const Entry& a, const Entry& b) {
    if (a.type != b.type)
      differ(a.path, fmt::format("a {}, not a {}", name_of(b.type), name_of(a.type)));
    else if (a.mode != b.mode)
      differ(a.path, fmt::format("mode {:04o}, not {:04o}", b.mode, a.mode));
    else if (a.link_target != b.link_target)
      differ(a.path, fmt::format("a link to {}, not {}", printable(b.link_target),
                                 printable(a.link_target)));
    else if (a.size != b.size)
      differ(a.path, fmt::format("{} bytes, not {}", b.size, a.size));
    else if (a.type == EntryType::file && !same_content(a))
      differ(a.path, "other content");
  }

  bool same_content(const Entry& entry) {
    const UniqueFd a = open_in(source_, entry.path);
    const UniqueFd b = open_in(other_, entry.path);
    return content_.same(a.get(), full(source_, entry.path), b.get(), full(other_, entry.path),
                         entry.size, stop_);
  }

  static std::string full(const SourceTree& tree, const std::string& path) {
    return (tree.path / path).native();
  }

  static UniqueFd open_in(const SourceTree& tree, const std::string& path) {
    UniqueFd fd(
        ::openat(tree.root.get(), path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd) throw_system_error("cannot open", full(tree, path), errno);
    return fd;
  }

  const SourceTree& source_;
  const SourceTree& other_;
  std::stop_token stop_;
  std::size_t limit_;
  ContentComparer content_;
  std::vector<std::string> differences_;
};

}  // namespace

std::vector<std::string> compare_tree(const SourceTree& source, const std::filesystem::path& other,
                                      std::stop_token stop, std::size_t limit) {
  ScanOptions everything;
  everything.include_vcs = true;
  const SourceTree tree = scan_tree(other, everything);
  return TreeComparer(source, tree, std::move(stop), limit).run();
}

std::vector<std::string> compare_file(const std::filesystem::path& source,
                                      const std::filesystem::path& other,
                                      const std::stop_token& stop) {
  const UniqueFd a = open_file(source, O_RDONLY);
  const UniqueFd b = open_file(other, O_RDONLY | O_NOFOLLOW);
  const std::string name = printable(other.filename().native());
  const std::uint64_t size = file_size(a.get(), source);
  const std::uint64_t other_size = file_size(b.get(), other);
  if (size != other_size) return {fmt::format("{}: {} bytes, not {}", name, other_size, size)};
  if (ContentComparer().same(a.get(), source.native(), b.get(), other.native(), size, stop))
    return {};
  return {fmt::format("{}: other content", name)};
}

}  // namespace murder::cli
