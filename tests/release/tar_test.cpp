// Headers against the real tar, for what no test tree has: huge files, odd times.
#include "release/tar.hpp"

#include "release/support.hpp"

namespace murder::testing {
namespace {

Entry file_entry(std::string path, std::uint64_t size = 0) {
  return {.path = std::move(path), .mode = 0644, .link_target = {}, .size = size, .sha256 = {}};
}

// What `tar -t` makes of one header followed by the content's length in zeros (a hole).
CommandResult list(const Entry& entry, std::int64_t mtime, std::string_view options = "") {
  const TempDir dir;
  const fs::path tar = dir / "t.tar";
  const std::string header = tar_header(entry, mtime);
  put(tar, header);
  fs::resize_file(tar, header.size() + tar_padded(entry.size) + tar_end_bytes);
  return run(fmt::format("TZ=UTC tar -tv --full-time {} -f '{}'", options, tar.native()));
}

TEST(TarHeader, sizes_beyond_eleven_octal_digits_are_kept) {
  for (const std::uint64_t size : {8589934591u + 0ull, 8589934592ull, 1ull << 40}) {
    const auto [status, output] = list(file_entry("big", size), 0);
    EXPECT_EQ(status, 0) << output;
    EXPECT_NE(output.find(fmt::format(" {} 1970-01-01 00:00:00 big", size)), std::string::npos)
        << output;
  }
}

TEST(TarHeader, mtimes_before_1970_and_after_2242_are_kept) {
  EXPECT_NE(list(file_entry("old"), -86400).output.find("1969-12-31 00:00:00 old"),
            std::string::npos);
  EXPECT_NE(list(file_entry("late"), 253402300799).output.find("9999-12-31 23:59:59 late"),
            std::string::npos);
  EXPECT_NE(list(file_entry("now"), 1700000000).output.find("2023-11-14 22:13:20 now"),
            std::string::npos);
}

TEST(TarHeader, paths_of_every_length_come_back) {
  for (std::size_t length = 1; length < 700; length += length < 90 || length > 270 ? 37 : 1) {
    for (const std::size_t component : {7u, 90u, 99u, 100u, 101u, 154u, 155u, 156u, 254u}) {
      std::string path;
      while (path.size() < length) path += path.size() % (component + 1) == component ? '/' : 'n';
      if (path.back() == '/') path.back() = 'x';
      for (const EntryType type : {EntryType::file, EntryType::directory}) {
        Entry entry = file_entry(path);
        entry.type = type;
        const std::string header = tar_header(entry, 0);
        EXPECT_EQ(header.size() % tar_block_bytes, 0u);
        const std::string stored = type == EntryType::directory ? path + '/' : path;
        if (stored.size() <= 100) {
          EXPECT_EQ(header.size(), 512u);
          EXPECT_EQ(header[345], '\0');  // the name alone holds it
        }
        const std::string_view block = std::string_view(header).substr(header.size() - 512);
        const std::string name(block.substr(0, std::min<std::size_t>(100, block.find('\0'))));
        const std::string_view prefix_field = block.substr(345, 155);
        const std::string prefix(
            prefix_field.substr(0, std::min<std::size_t>(155, prefix_field.find('\0'))));
        if (header.size() == 512)
          EXPECT_EQ(prefix.empty() ? name : fmt::format("{}/{}", prefix, name), stored);
        else
          EXPECT_NE(header.find(fmt::format(" path={}\n", stored)), std::string::npos);
      }
    }
  }
}

// A record's length counts its own digits: around 99 and 999 bytes one more digit makes one more.
TEST(TarHeader, pax_lengths_are_right_around_powers_of_ten) {
  const std::string key = "linkpath";
  for (std::size_t length = 101; length < 1100; ++length) {
    Entry entry = file_entry("link");
    entry.type = EntryType::symlink;
    entry.link_target.assign(length, 't');
    const std::string header = tar_header(entry, 0);
    const std::size_t said = std::stoul(header.substr(512));
    ASSERT_EQ(header[512 + said - 1], '\n') << length;
    ASSERT_EQ(header.substr(512, said), fmt::format("{} {}={}\n", said, key, entry.link_target));
  }
}

TEST(TarHeader, the_same_entry_gives_the_same_bytes) {
  Entry entry = file_entry("bin/run", 18);
  entry.mode = 0755;
  const std::string header = tar_header(entry, 0);
  EXPECT_EQ(header.size(), 512u);
  EXPECT_EQ(sha256(header).hex(),
            "97fa8dd82fc0405c5d7e7ae619775c1bd32a6bdfba637a44f622df42a46389ed");
}

}  // namespace
}  // namespace murder::testing
