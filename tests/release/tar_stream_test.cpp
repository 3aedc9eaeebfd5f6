// The stream made in parts, and files that do not stay what they were.
#include "release/tar_stream.hpp"

#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <thread>

#include "release/support.hpp"

namespace murder::testing {
namespace {

std::string read_all(TarStream& stream) {
  std::string out(stream.size(), '\xee');
  stream.read(0, {reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
  return out;
}

void put_sample(const fs::path& root) {
  put(root / "a/empty", "");
  put(root / "a/block", noise(512, 1));
  put(root / "a/odd", noise(5000, 2));
  put(root / "big", noise(70000, 3));
  fs::create_symlink(std::string(300, 't'), root / "long");
  put_folder(root / "z");
}

RC_GTEST_PROP(TarStream, parts_of_any_size_make_the_same_stream, ()) {
  const auto part_bytes = static_cast<std::size_t>(*rc::gen::inRange(1, 20000));
  const auto thread_count = *rc::gen::inRange(1, 5);
  const TempDir dir;
  put_sample(dir.path());
  TarStream whole(scan_tree(dir.path(), {}), MtimePolicy::from_digest, 0);
  const std::string expected = read_all(whole);

  TarStream parts(scan_tree(dir.path(), {}), MtimePolicy::from_digest, 0);
  std::string made(expected.size(), '\xee');
  std::atomic<std::size_t> next{0};
  {
    std::vector<std::jthread> threads;
    threads.reserve(static_cast<std::size_t>(thread_count));
    for (int i = 0; i < thread_count; ++i)
      threads.emplace_back([&] {
        for (std::size_t from; (from = part_bytes * next++) < made.size();)
          parts.read(from, {reinterpret_cast<std::uint8_t*>(made.data()) + from,
                            std::min(part_bytes, made.size() - from)});
      });
  }
  RC_ASSERT(made == expected);
  RC_ASSERT(parts.take_entries() == whole.take_entries());
}

TEST(TarStream, contents_lie_where_their_entries_say) {
  const TempDir dir;
  put_sample(dir.path());
  TarStream stream(scan_tree(dir.path(), {}), MtimePolicy::from_digest, 0);
  const std::string bytes = read_all(stream);
  for (const Entry& entry : stream.take_entries()) {
    if (entry.type != EntryType::file) continue;
    const auto content = std::string_view(bytes).substr(entry.tar_offset, entry.size);
    EXPECT_EQ(content, read_file(dir.path() / entry.path));
    EXPECT_EQ(entry.sha256, sha256(content));
  }
}

TEST(TarStream, holes_are_zeros) {
  const TempDir dir;
  const fs::path path = dir / "sparse";
  put(path, "head");
  fs::resize_file(path, 3 << 20);
  {
    const UniqueFd fd = open_file(path, O_WRONLY);
    write_exactly_at(fd.get(), as_bytes("middle"), 1'234'567, path);
  }
  std::string expected(3 << 20, '\0');
  expected.replace(0, 4, "head").replace(1'234'567, 6, "middle");
  for (const std::size_t part : {3u << 20, 100'000u, 4096u, 1000u}) {
    TarStream stream(scan_tree(dir.path(), {}), MtimePolicy::from_digest, 0);
    std::string bytes(stream.size(), '\xee');
    for (std::size_t from = 0; from < bytes.size(); from += part)
      stream.read(from, {reinterpret_cast<std::uint8_t*>(bytes.data()) + from,
                         std::min(part, bytes.size() - from)});
    EXPECT_TRUE(bytes.substr(512, expected.size()) == expected) << part;
    EXPECT_EQ(stream.take_entries().at(0).sha256, sha256(expected));
  }
}

struct Change {
  const char* name;
  std::function<void(const fs::path&)> make;
};

class ChangedFile : public ::testing::TestWithParam<Change> {};

TEST_P(ChangedFile, is_refused_by_name) {
  const TempDir dir;
  put(dir / "app/other", "x");
  put(dir / "app/file", "content");
  set_mtime(dir / "app/file", 1'000'000'000);  // so that any write shows, however soon
  put(dir / "zlast", "x");
  TarStream stream(scan_tree(dir.path(), {}), MtimePolicy::from_digest, 0);
  GetParam().make(dir / "app/file");
  EXPECT_TRUE(fails_with(ErrorKind::failed, "app/file: it changed while it was read",
                         [&] { read_all(stream); }));
}

void wait_for_next_tick(const fs::path& path) {
  struct stat before {
  }, now{};
  ::stat(path.c_str(), &before);
  const fs::path other = path.parent_path() / "tick";
  do {
    put(other, "x");
    ::stat(other.c_str(), &now);
  } while (now.st_ctim.tv_sec == before.st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
  fs::remove(other);
}

const Change changes[] = {
    {"rewritten", [](const fs::path& p) { put(p, "CONTENT"); }},
    {"grown", [](const fs::path& p) { put(p, "content and more"); }},
    {"cut", [](const fs::path& p) { put(p, "con"); }},
    {"emptied", [](const fs::path& p) { put(p, ""); }},
    {"removed", [](const fs::path& p) { fs::remove(p); }},
    {"replaced",
     [](const fs::path& p) {
       put(p.native() + ".new", "content");
       set_mtime(p.native() + ".new", 1'000'000'000);
       fs::rename(p.native() + ".new", p);
     }},
    {"rewritten_with_its_mtime_put_back",
     [](const fs::path& p) {
       wait_for_next_tick(p);
       put(p, "CONTENT");
       set_mtime(p, 1'000'000'000);
     }},
    {"now_a_link",
     [](const fs::path& p) {
       fs::remove(p);
       fs::create_symlink("other", p);
     }},
    {"now_a_fifo",
     [](const fs::path& p) {
       fs::remove(p);
       ASSERT_EQ(::mkfifo(p.c_str(), 0644), 0);
     }},
    {"now_a_folder",
     [](const fs::path& p) {
       fs::remove(p);
       fs::create_directory(p);
     }},
    {"its_folder_now_a_link",
     [](const fs::path& p) {
       const fs::path folder = p.parent_path();
       const fs::path elsewhere = folder.parent_path() / "elsewhere";
       put(elsewhere / p.filename(), "content");
       set_mtime(elsewhere / p.filename(), 1'000'000'000);
       fs::remove_all(folder);
       fs::create_directory_symlink("elsewhere", folder);
     }},
};
INSTANTIATE_TEST_SUITE_P(Every, ChangedFile, ::testing::ValuesIn(changes),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(TarStream, an_empty_file_that_was_written_to_is_refused) {
  const TempDir dir;
  put(dir / "empty", "");
  set_mtime(dir / "empty", 1'000'000'000);
  TarStream stream(scan_tree(dir.path(), {}), MtimePolicy::from_digest, 0);
  put(dir / "empty", "no longer");
  EXPECT_TRUE(fails_with(ErrorKind::failed, "empty: it changed", [&] { read_all(stream); }));
}

TEST(TarStream, a_part_that_fails_lets_go_who_waits_for_it) {
  const TempDir dir;
  put(dir / "file", noise(100'000, 1));
  set_mtime(dir / "file", 1'000'000'000);
  TarStream stream(scan_tree(dir.path(), {}), MtimePolicy::from_digest, 0);
  std::vector<std::uint8_t> first(50'000), second(50'000);
  std::jthread waiting([&] {
    EXPECT_TRUE(fails_with(ErrorKind::failed, "", [&] { stream.read(first.size(), second); }));
  });
  put(dir / "file", "short");
  EXPECT_TRUE(fails_with(ErrorKind::failed, "file: it changed", [&] { stream.read(0, first); }));
}

TEST(TarStream, header_mtimes_follow_the_policy) {
  const TempDir dir;
  put(dir / "file", "x");
  set_mtime(dir / "file", 1'234'567'890);
  const auto mtime = [&](MtimePolicy policy) {
    TarStream stream(scan_tree(dir.path(), {}), policy, 1'600'000'000);
    const std::string field = read_all(stream).substr(136, 11);
    return std::stoll(field, nullptr, 8);
  };
  EXPECT_EQ(mtime(MtimePolicy::from_digest), 0);
  EXPECT_EQ(mtime(MtimePolicy::source), 1'234'567'890);
  EXPECT_EQ(mtime(MtimePolicy::fixed), 1'600'000'000);
}

}  // namespace
}  // namespace murder::testing
