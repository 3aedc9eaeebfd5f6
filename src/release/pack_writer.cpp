// write_pack: from a tree to TAG.tar.zst. The calling thread writes what the pipeline makes.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "release/frame_compressor.hpp"
#include "release/frame_pipeline.hpp"
#include "release/pack.hpp"
#include "release/trailer.hpp"

namespace murder {
namespace {

// A file that is there under its name when it is whole, or not at all.
class NewFile {
 public:
  explicit NewFile(const std::filesystem::path& path) : path_(path) {
    static std::atomic<unsigned> counter{0};
    temporary_ = fmt::format("{}.{}.{}.tmp", path.native(), ::getpid(), counter++);
    fd_ = UniqueFd(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!fd_) throw_system_error("cannot create", path_.native(), errno);
  }
  ~NewFile() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void append(ByteSpan bytes) {
    write_exactly_at(fd_.get(), bytes, size_, path_);
    size_ += bytes.size();
  }
  void append(std::string_view bytes) { append(as_bytes(bytes)); }
  void commit() {
    // Some file systems tell of a full disk only now.
    if (::close(fd_.release()) != 0) throw_system_error("cannot write", path_.native(), errno);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0)
      throw_system_error("cannot write", path_.native(), errno);
    temporary_.clear();
  }
  std::uint64_t size() const { return size_; }
  const std::filesystem::path& temporary() const { return temporary_; }

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  UniqueFd fd_;
  std::uint64_t size_ = 0;
};

void check(const std::filesystem::path& out, const PackOptions& options) {
  if (options.level < least_level || options.level > greatest_level)
    throw Error(ErrorKind::usage, fmt::format("cannot pack at level {}: levels are {} to {}",
                                              options.level, least_level, greatest_level));
  std::error_code ignored;
  if (std::filesystem::is_directory(out, ignored))
    throw Error(ErrorKind::usage, fmt::format("cannot write the pack to {}: it is a folder",
                                              printable(out.native())));
}

SourceTree scan(const std::filesystem::path& source, const PackOptions& options,
                std::initializer_list<std::filesystem::path> own_files) {
  ScanOptions scan_options{.only = options.only,
                           .include_vcs = options.include_vcs,
                           .exclude = options.exclude,
                           .leave_out = {}};
  const auto leave_out = [&](const std::filesystem::path& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0)
      scan_options.leave_out.emplace_back(status.st_dev, status.st_ino);
  };
  std::ranges::for_each(own_files, leave_out);
  std::ranges::for_each(options.leave_out, leave_out);
  return scan_tree(source, scan_options);
}

void warn_of_lost_bits(const std::vector<std::string>& paths, const PackOptions& options) {
  constexpr std::size_t shown = 3;
  if (paths.empty() || !options.warn) return;
  std::string names;
  for (std::size_t i = 0; i < std::min(shown, paths.size()); ++i)
    names += (i == 0 ? "" : ", ") + printable(paths[i]);
  if (paths.size() > shown) names += fmt::format(" and {} more", paths.size() - shown);
  options.warn(
      fmt::format("setuid, setgid and sticky bits are not packed: dropped from {}", names));
}

void warn_of_lost_attributes(std::uint64_t count, const PackOptions& options) {
  if (count != 0 && options.warn)
    options.warn(fmt::format("extended attributes are not packed: dropped from {} {}", count,
                             count == 1 ? "entry" : "entries"));
}

}  // namespace

PackResult write_pack(const std::filesystem::path& source, const std::filesystem::path& out,
                      const PackOptions& options) {
  check(out, options);
  NewFile file(out);
  SourceTree tree = scan(source, options, {file.temporary(), out});
  warn_of_lost_bits(tree.lost_bits, options);
  TarStream stream(std::move(tree), options.mtime_policy, options.fixed_mtime);

  PackResult result{};
  result.tar_size = stream.size();
  Manifest& manifest = result.manifest;
  manifest.mtime_policy = options.mtime_policy;
  if (options.mtime_policy == MtimePolicy::fixed) manifest.fixed_mtime = options.fixed_mtime;
  {
    const unsigned wanted =
        options.threads != 0 ? options.threads : std::thread::hardware_concurrency();
    const std::uint64_t useful = (stream.size() + frame_size_bytes - 1) / frame_size_bytes;
    FramePipeline pipeline(stream, options.level,
                           static_cast<unsigned>(std::clamp<std::uint64_t>(wanted, 1, useful)));
    std::uint64_t raw_offset = 0;
    for (std::uint64_t i = 0; i < pipeline.frame_count(); ++i) {
      const FramePipeline::Compressed& frame = pipeline.next();
      manifest.frames.push_back({.stored_offset = file.size(),
                                 .stored_size = frame.stored.size(),
                                 .raw_offset = raw_offset,
                                 .raw_size = frame.raw_size,
                                 .raw_sha256 = frame.raw_sha256});
      file.append(frame.stored);
      raw_offset += frame.raw_size;
      if (options.progress) options.progress(raw_offset, stream.size());
    }
  }
  warn_of_lost_attributes(stream.entries_with_attributes(), options);
  manifest.entries = stream.take_entries();

  const std::string stored = encode_manifest(manifest);
  file.append(skippable_header(manifest_frame_magic, static_cast<std::uint32_t>(stored.size())));
  result.manifest_offset = file.size();
  result.manifest_length = stored.size();
  result.manifest_sha256 = sha256(stored);
  file.append(stored);
  file.append(skippable_header(trailer_frame_magic, trailer_bytes));
  file.append(encode_trailer({.manifest_offset = result.manifest_offset,
                              .manifest_length = result.manifest_length,
                              .manifest_sha256 = result.manifest_sha256}));
  result.pack_size = file.size();
  file.commit();
  return result;
}

}  // namespace murder
