// A pack against what reads it: the real tar, and murder's own decoder.
#include "release/pack.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/xattr.h>

#include "release/manifest_codec.hpp"
#include "release/support.hpp"

namespace murder::testing {
namespace {

PackOptions quiet(unsigned threads = 0) {
  PackOptions options;
  options.threads = threads;
  return options;
}

// Every name, target and kind that has ever been trouble in a tar.
void put_hard_tree(const fs::path& root) {
  put(root / "plain", "plain\n");
  put(root / "empty", "");
  put_folder(root / "empty folder");
  put(root / "bin/run", "#!/bin/sh\n", 0755);
  put(root / "secret", "s", 0600);
  put(root / "read-only/file", "r", 0444);
  put_folder(root / "read-only", 0555);
  put(root / "new\nline/tab\t", "n");
  put(root / " space ", "s");
  put(root / "-rf", "dash");
  put(root / "back\\slash", "b");
  put(root / "\xc3\xa9t\xc3\xa9", "utf-8");
  put(root / "\xff\xfe\x80", "not utf-8");
  put(root / std::string(100, 'h'), "100");
  put(root / std::string(101, 'h'), "101");
  put(root / std::string(255, 'h'), "255");
  put_folder(root / std::string(99, 'f'));
  put_folder(root / std::string(100, 'f'));
  const std::string deep =
      std::string(200, 'p') + '/' + std::string(200, 'q') + '/' + std::string(200, 'r');
  put(root / deep / "file", "deep");
  put(root / std::string(155, 's') / std::string(100, 't'), "just ustar");
  put(root / std::string(120, '\xe9') / "latin-1", "l");
  put(root / ("\xe4\xb8\xad" + std::string(120, 'x') + "\xe6\x96\x87\n"), "long utf-8");
  put(root / "a/c", "c");
  put(root / "a-b", "between");
  fs::create_symlink("bin/run", root / "link");
  fs::create_symlink("nowhere", root / "dangling");
  fs::create_symlink("/etc/passwd", root / "absolute");
  fs::create_symlink("../../..", root / "outside");
  fs::create_symlink("a", root / "link to folder");
  fs::create_symlink(std::string(100, 't'), root / "target100");
  fs::create_symlink(std::string(101, 't'), root / "target101");
  fs::create_symlink(std::string(3000, '\xfa'), root / "target3000");
  fs::create_hard_link(root / "bin/run", root / "zz-hard");
  fs::create_hard_link(root / "bin/run", root / "a/hard");
  fs::create_hard_link(root / deep / "file", root / "hard-to-deep");
  for (const std::size_t size : {1u, 511u, 512u, 513u, 1024u, 100'000u})
    put(root / "sizes" / std::to_string(size), noise(size, size));
}

void let_go(const fs::path& root) { put_folder(root / "read-only", 0755); }

TEST(Pack, tar_gives_back_the_tree_in_every_locale) {
  const TempDir dir;
  put_hard_tree(dir / "tree");
  const PackResult result = write_pack(dir / "tree", dir / "p.tar.zst", quiet());
  const auto expected = describe(dir / "tree");
  EXPECT_EQ(describe(result.manifest), expected);
  for (const char* locale : {"LC_ALL=C", "LC_ALL=C.UTF-8"}) {
    const TempDir out;
    EXPECT_TRUE(untar(dir / "p.tar.zst", out.path(), locale));
    EXPECT_EQ(describe(out.path()), expected) << locale;
    let_go(out.path());
  }
  EXPECT_EQ(run(fmt::format("zstd -q -t '{}'", (dir / "p.tar.zst").native())).output, "");
  let_go(dir / "tree");
}

TEST(Pack, tar_sees_no_difference_but_owner_and_time) {
  const TempDir dir;
  put_hard_tree(dir / "tree");
  for (const auto& item : fs::recursive_directory_iterator(dir / "tree"))
    set_mtime(item.path(), 1'600'000'000);  // whole seconds: all that a pack keeps
  PackOptions options = quiet();
  options.mtime_policy = MtimePolicy::source;
  write_pack(dir / "tree", dir / "p.tar.zst", options);
  const auto [status, output] =
      run(fmt::format("tar -df '{}' -C '{}' | grep -v -e 'Uid differs' -e 'Gid differs'",
                      (dir / "p.tar.zst").native(), (dir / "tree").native()));
  EXPECT_EQ(output, "");
  let_go(dir / "tree");
}

TEST(Pack, is_what_its_parts_say) {
  const TempDir dir;
  put_hard_tree(dir / "tree");
  const PackResult result = write_pack(dir / "tree", dir / "p.tar.zst", quiet());
  EXPECT_EQ(result.pack_size, fs::file_size(dir / "p.tar.zst"));
  EXPECT_EQ(result.manifest_offset + result.manifest_length + 8 + 64, result.pack_size);
  const std::string bytes = read_file(dir / "p.tar.zst");
  EXPECT_EQ(sha256(bytes.substr(result.manifest_offset, result.manifest_length)),
            result.manifest_sha256);
  EXPECT_EQ(decode_manifest(bytes.substr(result.manifest_offset, result.manifest_length), "p"),
            result.manifest);

  const OpenedPack opened = read_pack(dir / "p.tar.zst");
  EXPECT_EQ(opened.manifest, result.manifest);
  EXPECT_EQ(opened.pack_size, result.pack_size);
  EXPECT_EQ(opened.manifest_offset, result.manifest_offset);
  EXPECT_EQ(opened.manifest_length, result.manifest_length);
  EXPECT_EQ(opened.manifest_sha256, result.manifest_sha256);
  let_go(dir / "tree");
}

std::string random_name() {
  return *rc::gen::element<std::string>("a", "a-b", "a.b", "b", " ", "\n", "\xff", "\xc3\xa9",
                                        "..x", "-x", ".hidden", std::string(100, 'n'),
                                        std::string(101, 'n'), std::string(200, '\xe9'),
                                        std::string(255, 'w'));
}

void put_random_tree(const fs::path& root) {
  std::vector<fs::path> folders{root};
  std::vector<fs::path> files;
  fs::create_directories(root);
  for (int i = *rc::gen::inRange(1, 25); i > 0; --i) {
    const fs::path path = *rc::gen::elementOf(folders) / random_name();
    if (fs::exists(fs::symlink_status(path)) || path.native().size() > 3000) continue;
    const auto mode = static_cast<mode_t>(*rc::gen::element(0644, 0600, 0755, 0777, 0400, 0700));
    switch (*rc::gen::inRange(0, 5)) {
      case 0:
        put_folder(path, mode | 0700);
        folders.push_back(path);
        break;
      case 1:
        fs::create_symlink(
            *rc::gen::element<std::string>("a", "/", "../..", "\xff", std::string(200, 't')), path);
        break;
      case 2:
        if (!files.empty()) {
          fs::create_hard_link(*rc::gen::elementOf(files), path);
          break;
        }
        [[fallthrough]];
      default:
        put(path,
            noise(*rc::gen::element<std::size_t>(0, 1, 511, 512, 513, 70'000),
                  static_cast<std::uint64_t>(i)),
            mode);
        files.push_back(path);
    }
  }
  if (fs::is_empty(root)) put(root / "something", "x");
}

RC_GTEST_PROP(Pack, any_tree_comes_back_from_tar_and_from_its_frames, ()) {
  const TempDir dir, out;
  put_random_tree(dir / "tree");
  const auto expected = describe(dir / "tree");
  const PackResult result = write_pack(dir / "tree", dir / "p.tar.zst", quiet(2));
  RC_ASSERT(describe(result.manifest) == expected);
  RC_ASSERT(read_pack(dir / "p.tar.zst").manifest == result.manifest);

  const std::string stream = unpack_stream(dir / "p.tar.zst", result.manifest);
  RC_ASSERT(stream.size() == result.tar_size);
  for (const Entry& entry : result.manifest.entries)
    if (entry.type == EntryType::file)
      RC_ASSERT(sha256(stream.substr(entry.tar_offset, entry.size)) == entry.sha256);
  put(dir / "stream.tar", stream);
  RC_ASSERT(run(fmt::format("zstd -dc '{}' | cmp - '{}'", (dir / "p.tar.zst").native(),
                            (dir / "stream.tar").native()))
                .output.empty());
  RC_ASSERT(untar(dir / "p.tar.zst", out.path()));
  RC_ASSERT(describe(out.path()) == expected);
}

// Frames that end inside of files, headers and padding; files over several frames.
void put_large_tree(const fs::path& root, bool reverse) {
  std::vector<std::pair<std::string, std::size_t>> files{{"a/first", (8u << 20) - 512},
                                                         {"a/second", 1},
                                                         {"b/over-three", 20u << 20},
                                                         {"b/ends-with-its-frame", 3'000'000},
                                                         {"c/last", 100}};
  for (int i = 0; i < 300; ++i) files.emplace_back(fmt::format("small/{}", i), i * 37);
  if (reverse) std::ranges::reverse(files);
  for (const auto& [path, size] : files) put(root / path, noise(size, size));
  put(root / "c/zeros", "");
  fs::resize_file(root / "c/zeros", 30u << 20);
  put_folder(root / "small");
}

TEST(Pack, bytes_do_not_depend_on_threads_order_clock_umask_or_place) {
  const TempDir dir;
  put_large_tree(dir / "one", false);
  const PackResult first = write_pack(dir / "one", dir / "1.tar.zst", quiet(1));
  const std::string expected = read_file(dir / "1.tar.zst");
  EXPECT_GE(first.manifest.frames.size(), 4u);
  for (const unsigned threads : {2u, 5u, 0u}) {
    write_pack(dir / "one", dir / "n.tar.zst", quiet(threads));
    EXPECT_TRUE(read_file(dir / "n.tar.zst") == expected) << threads;
  }

  // Another file system, if there is one, lists folders in another order.
  const TempDir other(fast_place());
  const mode_t umask_before = ::umask(0077);
  put_large_tree(other / "two", true);
  for (const auto& item : fs::recursive_directory_iterator(other.path())) {
    set_mtime(item.path(), 1'234'567'890);
    if (item.is_directory()) ::chmod(item.path().c_str(), 0755);
    if (::geteuid() == 0) {
      ASSERT_EQ(::chown(item.path().c_str(), 1234, 1234), 0);
    }
  }
  const PackResult second = write_pack(other / "two", other / "2.tar.zst", quiet(2));
  ::umask(umask_before);
  EXPECT_TRUE(read_file(other / "2.tar.zst") == expected);
  EXPECT_EQ(second.manifest.default_tag(), first.manifest.default_tag());
}

TEST(Pack, tar_gives_back_files_over_several_frames) {
  const TempDir dir, out;
  put_large_tree(dir / "tree", false);
  const PackResult result = write_pack(dir / "tree", dir / "p.tar.zst", quiet());
  EXPECT_TRUE(untar(dir / "p.tar.zst", out.path()));
  EXPECT_EQ(describe(out.path()), describe(dir / "tree"));
  EXPECT_EQ(describe(result.manifest), describe(dir / "tree"));
  for (std::size_t i = 0; i + 1 < result.manifest.frames.size(); ++i)
    EXPECT_EQ(result.manifest.frames[i].raw_size, frame_size_bytes);
  EXPECT_EQ(unpack_stream(dir / "p.tar.zst", result.manifest).size(), result.tar_size);
}

// A full frame of zeros is made once for all; one that is short is not that one.
TEST(Pack, a_last_frame_of_zeros_is_as_long_as_it_is) {
  const TempDir dir(fast_place()), out(fast_place());
  put(dir / "tree/zeros", "");
  fs::resize_file(dir / "tree/zeros", 4 * frame_size_bytes);
  const PackResult result = write_pack(dir / "tree", dir / "p.tar.zst", quiet(2));
  ASSERT_EQ(result.manifest.frames.size(), 5u);
  EXPECT_EQ(result.manifest.frames[2].raw_sha256, sha256(std::string(frame_size_bytes, '\0')));
  EXPECT_EQ(result.manifest.frames[4].raw_size, 512u + 1024u);
  EXPECT_EQ(result.manifest.frames[4].raw_sha256, sha256(std::string(512 + 1024, '\0')));
  EXPECT_EQ(read_pack(dir / "p.tar.zst").manifest, result.manifest);
  EXPECT_TRUE(untar(dir / "p.tar.zst", out.path()));
  EXPECT_EQ(describe(out.path()), describe(dir / "tree"));
}

// The tree of docs/pack-format.md. When this fails, packs of today and tomorrow no longer share
// tags: think twice.
TEST(Pack, format_is_what_it_was) {
  const TempDir dir;
  put(dir / "tree/bin/run", "#!/bin/sh\nexec echo hello\n", 0755);
  put(dir / "tree/etc/empty", "", 0600);
  fs::create_symlink("bin/run", dir / "tree/start");
  fs::create_hard_link(dir / "tree/bin/run", dir / "tree/etc/run");
  put_folder(dir / "tree/bin");
  put_folder(dir / "tree/etc", 0700);
  const PackResult result = write_pack(dir / "tree", dir / "p.tar.zst", quiet());
  EXPECT_EQ(result.manifest.content_digest().hex(),
            "69b4390a0667163c143fb926b4fc841a7ebfbe11f554e963d5635aa8127d78fd");
  EXPECT_EQ(result.manifest.default_tag(), "69b4390a0667");
  EXPECT_EQ(result.manifest.mtime_of(result.manifest.entries[0]), 1107419196);
  const std::string body = encode_manifest_body(result.manifest);
  EXPECT_EQ(
      to_hex(as_bytes(body.substr(0, 63))),
      "010006010362696e0762696e2f72756e03657463096574632f656d707479076574632f72756e057374617274"
      "b50fb40f810e800c0302010762696e2f72756e");
  EXPECT_EQ(body.size(), 167u);
  ASSERT_EQ(result.manifest.frames.size(), 1u);
  EXPECT_EQ(result.tar_size, 4608u);
  EXPECT_EQ(result.manifest.frames[0].raw_sha256.hex(),
            "9e2388c5e3bdbd52382ff20de334155d8e25253ac723eff101f3878d13309fe9");
}

TEST(Pack, vcs_and_exclusions_reach_the_scan) {
  const TempDir dir;
  for (const char* path : {"tree/.gitignore", "tree/keep", "tree/x.log"}) put(dir / path, "x");
  PackOptions options = quiet();
  options.exclude = {"*.log"};
  EXPECT_EQ(paths_of(write_pack(dir / "tree", dir / "p", options).manifest),
            std::vector<std::string>{"keep"});
  options.include_vcs = true;
  EXPECT_EQ(paths_of(write_pack(dir / "tree", dir / "p", options).manifest),
            (std::vector<std::string>{".gitignore", "keep"}));
}

TEST(Pack, a_pack_inside_its_own_tree_is_not_part_of_it) {
  const TempDir dir;
  put(dir / "file", "x");
  put(dir / "p.torrent", "t");
  PackOptions options = quiet();
  options.leave_out = {dir / "p.torrent", dir / "not-there"};
  write_pack(dir.path(), dir / "p.tar.zst", options);
  const std::string first = read_file(dir / "p.tar.zst");
  const PackResult again = write_pack(dir.path(), dir / "p.tar.zst", options);
  EXPECT_EQ(paths_of(again.manifest), std::vector<std::string>{"file"});
  EXPECT_EQ(read_file(dir / "p.tar.zst"), first);
}

TEST(Pack, mtimes_of_the_source_are_kept_when_asked_for) {
  const TempDir dir, out;
  put(dir / "tree/old", "x");
  put(dir / "tree/before", "x");
  set_mtime(dir / "tree/old", 1'000'000'001);
  set_mtime(dir / "tree/before", -5);
  PackOptions options = quiet();
  options.mtime_policy = MtimePolicy::source;
  const PackResult result = write_pack(dir / "tree", dir / "p.tar.zst", options);
  EXPECT_EQ(result.manifest.entries.at(0).mtime, -5);
  EXPECT_EQ(result.manifest.entries.at(1).mtime, 1'000'000'001);
  EXPECT_EQ(read_pack(dir / "p.tar.zst").manifest, result.manifest);
  // tar finds a time before 1970 implausible and says so.
  run(fmt::format("tar -xf '{}' -C '{}'", (dir / "p.tar.zst").native(), out.path().native()));
  for (const auto& [name, mtime] : {std::pair("old", 1'000'000'001ll), std::pair("before", -5ll)}) {
    struct stat status {};
    ASSERT_EQ(::stat((out / name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mtim.tv_sec, mtime);
  }
}

TEST(Pack, one_fixed_mtime_is_given_to_all_when_asked_for) {
  const TempDir dir, out;
  put(dir / "tree/file", "x");
  PackOptions options = quiet();
  options.mtime_policy = MtimePolicy::fixed;
  options.fixed_mtime = 1'500'000'000;
  const PackResult result = write_pack(dir / "tree", dir / "p.tar.zst", options);
  EXPECT_EQ(result.manifest.mtime_of(result.manifest.entries[0]), 1'500'000'000);
  EXPECT_EQ(read_pack(dir / "p.tar.zst").manifest, result.manifest);
  EXPECT_TRUE(untar(dir / "p.tar.zst", out.path()));
  struct stat status {};
  ASSERT_EQ(::stat((out / "file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mtim.tv_sec, 1'500'000'000);
}

TEST(Pack, what_is_dropped_is_said_once) {
  const TempDir dir;
  for (int i = 0; i < 5; ++i) put(dir / fmt::format("tree/bin/s{}", i), "x", 04755);
  put_folder(dir / "tree/attributes");
  put(dir / "tree/attributes/one", noise(10u << 20, 1));
  put(dir / "tree/attributes/two", "");
  bool have_attributes = true;
  for (const char* name : {"tree/attributes", "tree/attributes/one", "tree/attributes/two"})
    have_attributes &= ::setxattr((dir / name).c_str(), "user.origin", "v", 1, 0) == 0;
  std::vector<std::string> warnings;
  PackOptions options = quiet();
  options.warn = [&](const std::string& line) { warnings.push_back(line); };
  write_pack(dir / "tree", dir / "p.tar.zst", options);
  ASSERT_GE(warnings.size(), 1u);
  EXPECT_EQ(warnings[0],
            "setuid, setgid and sticky bits are not packed: dropped from bin/s0, bin/s1, bin/s2 "
            "and 2 more");
  if (!have_attributes) GTEST_SKIP() << "no xattrs here";
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_EQ(warnings[1], "extended attributes are not packed: dropped from 3 entries");
}

TEST(Pack, progress_grows_to_the_whole) {
  const TempDir dir;
  put(dir / "tree/file", noise(20u << 20, 1));
  std::vector<std::uint64_t> done;
  PackOptions options = quiet();
  std::uint64_t total_said = 0;
  options.progress = [&](std::uint64_t now, std::uint64_t total) {
    done.push_back(now);
    total_said = total;
  };
  const PackResult result = write_pack(dir / "tree", dir / "p.tar.zst", options);
  EXPECT_EQ(done.size(), result.manifest.frames.size());
  EXPECT_TRUE(std::ranges::is_sorted(done));
  EXPECT_EQ(done.back(), result.tar_size);
  EXPECT_EQ(total_said, result.tar_size);
}

TEST(Pack, every_level_packs_the_same_content) {
  const TempDir dir;
  put(dir / "tree/file", noise(1000, 1) + std::string(100'000, 'x'));
  PackOptions options = quiet();
  const Sha256Digest digest =
      write_pack(dir / "tree", dir / "p.tar.zst", options).manifest.content_digest();
  for (const int level : {1, 19, 22}) {
    options.level = level;
    const PackResult result = write_pack(dir / "tree", dir / "p.tar.zst", options);
    EXPECT_EQ(result.manifest.content_digest(), digest);
    const TempDir out;
    EXPECT_TRUE(untar(dir / "p.tar.zst", out.path()));
  }
  for (const int level : {0, -1, 23}) {
    options.level = level;
    EXPECT_TRUE(fails_with(ErrorKind::usage, "level",
                           [&] { write_pack(dir / "tree", dir / "p.tar.zst", options); }));
  }
}

}  // namespace
}  // namespace murder::testing
