#include "release/manifest.hpp"

#include <functional>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <zstd.h>

#include "release/limits.hpp"
#include "release/manifest_codec.hpp"
#include "release/stored_manifest.hpp"
#include "release/support.hpp"
#include "release/varint.hpp"

namespace murder::testing {
namespace {

Entry folder(std::string path) {
  return {.path = std::move(path),
          .type = EntryType::directory,
          .mode = 0755,
          .link_target = {},
          .sha256 = {}};
}
Entry file(std::string path, std::uint64_t size, std::uint64_t tar_offset) {
  const Sha256Digest digest = sha256(path);
  return {.path = std::move(path),
          .mode = 0644,
          .link_target = {},
          .size = size,
          .sha256 = digest,
          .tar_offset = tar_offset};
}
Entry symlink(std::string path, std::string target) {
  return {.path = std::move(path),
          .type = EntryType::symlink,
          .mode = 0777,
          .link_target = std::move(target),
          .sha256 = {}};
}
Entry hardlink(std::string path, std::string target) {
  return {.path = std::move(path),
          .type = EntryType::hardlink,
          .mode = 0644,
          .link_target = std::move(target),
          .sha256 = {}};
}

// a/            0      header
// a-b           512    header, 1024: 5 bytes
// a/c           1536   header, 2048: 1000 bytes
// a/d = a/c     3072   header
// a/e -> ../..  3584   header
//               4096   end; the frames go on to 6144
Manifest sample() {
  Manifest m;
  m.entries = {folder("a"), file("a-b", 5, 1024), file("a/c", 1000, 2048), hardlink("a/d", "a/c"),
               symlink("a/e", "../../outside")};
  m.frames = {{.stored_offset = 0,
               .stored_size = 100,
               .raw_offset = 0,
               .raw_size = 4096,
               .raw_sha256 = sha256("one")},
              {.stored_offset = 100,
               .stored_size = 50,
               .raw_offset = 4096,
               .raw_size = 2048,
               .raw_sha256 = sha256("two")}};
  return m;
}

TEST(Manifest, comes_back_as_it_was) {
  EXPECT_EQ(decode_manifest(encode_manifest(sample()), "test"), sample());
  EXPECT_EQ(decode_manifest(store_manifest(sample()), "test"), sample());
  Manifest fixed = sample();
  fixed.mtime_policy = MtimePolicy::fixed;
  fixed.fixed_mtime = -7;
  EXPECT_EQ(decode_manifest(encode_manifest(fixed), "test"), fixed);
  Manifest source = sample();
  source.mtime_policy = MtimePolicy::source;
  for (Entry& entry : source.entries) entry.mtime = static_cast<std::int64_t>(entry.path.size());
  EXPECT_EQ(decode_manifest(encode_manifest(source), "test"), source);
}

// Random trees that are in order, laid out as a tar stream would be.
Manifest random_manifest() {
  const auto names = *rc::gen::unique<std::vector<std::string>>(
      rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::map(
          rc::gen::inRange(1, 256), [](int c) { return c == '/' ? '-' : static_cast<char>(c); }))));
  Manifest m;
  m.mtime_policy = static_cast<MtimePolicy>(*rc::gen::inRange(0, 3));
  if (m.mtime_policy == MtimePolicy::fixed) m.fixed_mtime = *rc::gen::arbitrary<std::int64_t>();
  std::vector<std::string> folders{""};
  std::vector<Entry> entries;
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    Entry entry;
    entry.path = *rc::gen::elementOf(folders) + name;
    entry.type = static_cast<EntryType>(*rc::gen::inRange(0, 3));
    if (m.mtime_policy == MtimePolicy::source) entry.mtime = *rc::gen::arbitrary<std::int64_t>();
    entry.mode = static_cast<std::uint32_t>(*rc::gen::inRange(0, 01000));
    if (entry.type == EntryType::directory) folders.push_back(entry.path + '/');
    if (entry.type == EntryType::symlink) {
      entry.mode = symlink_mode;
      entry.link_target = "../" + name;
    }
    if (entry.type == EntryType::file) {
      entry.size = static_cast<std::uint64_t>(*rc::gen::inRange(0, 100'000));
      entry.sha256 = sha256(entry.path);
    }
    entries.push_back(entry);
  }
  // Names below different folders may be equal, paths not.
  std::ranges::sort(entries, {}, &Entry::path);
  const Entry* earlier_file = nullptr;
  std::uint64_t place = 0;
  for (Entry& entry : entries) {
    if (entry.type == EntryType::file && earlier_file != nullptr && *rc::gen::inRange(0, 4) == 0) {
      entry.type = EntryType::hardlink;
      entry.link_target = earlier_file->path;
      entry.mode = earlier_file->mode;
      entry.size = 0;
      entry.sha256 = {};
    }
    place += 512 * static_cast<std::uint64_t>(*rc::gen::inRange(1, 4));
    if (entry.type != EntryType::file) continue;
    entry.tar_offset = place;
    place += (entry.size + 511) / 512 * 512;
    earlier_file = &entry;
  }
  m.entries = entries;
  std::uint64_t stored = 0, raw = 0;
  for (std::uint64_t left = place + 1024; left > 0;) {
    const std::uint64_t size = std::min<std::uint64_t>(left, 65536);
    m.frames.push_back({.stored_offset = stored,
                        .stored_size = size / 2,
                        .raw_offset = raw,
                        .raw_size = size,
                        .raw_sha256 = sha256(std::to_string(raw))});
    stored += size / 2;
    raw += size;
    left -= size;
  }
  return m;
}

RC_GTEST_PROP(Manifest, any_tree_comes_back_as_it_was, ()) {
  const Manifest m = random_manifest();
  const std::string body = encode_manifest_body(m);
  const Manifest back = decode_manifest_body(body);
  RC_ASSERT(back == m);
  RC_ASSERT(encode_manifest_body(back) == body);
  RC_ASSERT(back.content_digest() == m.content_digest());
}

RC_GTEST_PROP(Manifest, a_body_cut_anywhere_is_refused, ()) {
  const std::string body = encode_manifest_body(random_manifest());
  const auto length =
      static_cast<std::size_t>(*rc::gen::inRange<int>(0, static_cast<int>(body.size())));
  RC_ASSERT_THROWS_AS(decode_manifest_body(body.substr(0, length)), Malformed);
}

// Whatever is accepted is what its bytes say in the one way there is, and none of it is unsafe.
RC_GTEST_PROP(Manifest, a_damaged_body_is_refused_or_means_what_it_says, ()) {
  std::string body = encode_manifest_body(random_manifest());
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i)
    body[static_cast<std::size_t>(*rc::gen::inRange<int>(0, static_cast<int>(body.size())))] =
        static_cast<char>(*rc::gen::arbitrary<char>());
  try {
    RC_ASSERT(encode_manifest_body(decode_manifest_body(body)) == body);
  } catch (const Malformed&) {
    RC_SUCCEED("refused");
  }
}

struct Violation {
  const char* name;
  const char* reason;
  std::function<void(Manifest&)> make;
};

class RefusedManifest : public ::testing::TestWithParam<Violation> {};

TEST_P(RefusedManifest, is_an_integrity_error_that_says_why) {
  Manifest m = sample();
  GetParam().make(m);
  EXPECT_TRUE(fails_with(ErrorKind::integrity, GetParam().reason,
                         [&] { decode_manifest(encode_manifest(m), "evil.tar.zst"); }));
  EXPECT_TRUE(fails_with(ErrorKind::integrity, "evil.tar.zst",
                         [&] { decode_manifest(encode_manifest(m), "evil.tar.zst"); }));
}

std::function<void(Manifest&)> renamed(std::size_t index, const std::string& path) {
  return [=](Manifest& m) { m.entries[index].path = path; };
}

const Violation violations[] = {
    {"absolute_path", "unsafe path /a", renamed(0, "/a")},
    {"path_that_climbs", "unsafe path ../a", renamed(0, "../a")},
    {"path_that_climbs_in_the_middle", "unsafe path a/../b", renamed(4, "a/../b")},
    {"path_that_climbs_at_the_end", "unsafe path a/..", renamed(4, "a/..")},
    {"path_with_dot", "unsafe path a/./b", renamed(4, "a/./b")},
    {"path_that_is_dot", "unsafe path .", renamed(0, ".")},
    {"path_with_empty_component", "unsafe path a//b", renamed(4, "a//b")},
    {"path_with_slash_at_the_end", "unsafe path a/e/", renamed(4, "a/e/")},
    {"empty_path", "a path of 0 bytes", renamed(0, "")},
    {"path_with_nul", "NUL", renamed(4, std::string("a/e\0x", 5))},
    {"path_too_long", "a path of 4096 bytes", renamed(4, "a/" + std::string(4094, 'n'))},
    {"duplicate", "not in its place", renamed(2, "a-b")},
    {"out_of_order", "not in its place", renamed(1, "zzz")},
    {"through_a_symlink", "a/e/f lies in something that is not a folder",
     [](Manifest& m) { m.entries.push_back(symlink("a/e/f", "x")); }},
    {"through_a_file", "a-b/x lies in something that is not a folder",
     [](Manifest& m) { m.entries.insert(m.entries.begin() + 2, symlink("a-b/x", "x")); }},
    {"through_a_hardlink", "a/d/x lies in something that is not a folder",
     [](Manifest& m) { m.entries.insert(m.entries.begin() + 4, symlink("a/d/x", "x")); }},
    {"through_nothing", "b/x lies in something that is not a folder",
     [](Manifest& m) { m.entries.push_back(symlink("b/x", "x")); }},
    // "a-b" and "a.b" lie between "a" and "a/c" in order: the link is not the entry just before.
    {"through_a_symlink_far_before", "a/c lies in something that is not a folder",
     [](Manifest& m) { m.entries[0] = symlink("a", "/etc"); }},
    {"setuid", "mode beyond 0777", [](Manifest& m) { m.entries[1].mode = 04755; }},
    {"sticky_folder", "mode beyond 0777", [](Manifest& m) { m.entries[0].mode = 01777; }},
    {"empty_symlink", "a/e is a link to no possible path",
     [](Manifest& m) { m.entries[4].link_target = ""; }},
    {"symlink_with_nul", "a/e is a link to no possible path",
     [](Manifest& m) { m.entries[4].link_target = std::string("x\0y", 3); }},
    {"symlink_too_long", "a/e is a link to no possible path",
     [](Manifest& m) { m.entries[4].link_target.assign(4096, 't'); }},
    {"hardlink_to_nothing", "a/d is a hard link to something that is no earlier file",
     [](Manifest& m) { m.entries[3].link_target = "nothing"; }},
    {"hardlink_to_itself", "a/d is a hard link to something that is no earlier file",
     [](Manifest& m) { m.entries[3].link_target = "a/d"; }},
    {"hardlink_to_a_later_file", "a/d is a hard link to something that is no earlier file",
     [](Manifest& m) {
       m.entries.push_back(file("z", 0, 4608));
       m.entries[3].link_target = "z";
     }},
    {"hardlink_to_a_folder", "a/d is a hard link to something that is no earlier file",
     [](Manifest& m) { m.entries[3].link_target = "a"; }},
    {"hardlink_to_a_symlink", "b is a hard link to something that is no earlier file",
     [](Manifest& m) { m.entries.push_back(hardlink("b", "a/e")); }},
    {"file_beyond_the_frames", "a/c does not lie in its frames",
     [](Manifest& m) { m.entries[2].size = 3073; }},
    {"file_of_any_size", "a/c does not lie in its frames",
     [](Manifest& m) { m.entries[2].size = ~0ull; }},
    {"file_placed_beyond_the_frames", "a/c does not lie in its frames",
     [](Manifest& m) { m.entries[2].tar_offset = 1ull << 62; }},
    {"file_whose_end_wraps_around", "a/c does not lie in its frames",
     [](Manifest& m) {
       m.entries[2].tar_offset = 5632;  // one block beyond
       m.entries[2].size = ~5632ull + 1;
     }},
    {"file_that_overlaps_the_one_before", "a/c does not lie in its frames",
     [](Manifest& m) { m.entries[2].tar_offset = 1024; }},
    {"file_without_room_for_its_header", "a/c does not lie in its frames",
     [](Manifest& m) { m.entries[2].tar_offset = 1536; }},
    {"file_without_room_for_headers_between", "z does not lie in its frames",
     [](Manifest& m) { m.entries.push_back(file("z", 5, 4096)); }},
    {"more_entries_than_frames_hold", "do not fit into its frames",
     [](Manifest& m) {
       for (char c = 'b'; c < 'f'; ++c) m.entries.push_back(folder(std::string(1, c)));
     }},
    {"no_frames", "no tar stream", [](Manifest& m) { m.frames.clear(); }},
    {"frames_that_end_inside_a_block", "no tar stream",
     [](Manifest& m) { m.frames[1].raw_size = 2047; }},
    {"frame_without_content", "a frame of 0 bytes", [](Manifest& m) { m.frames[1].raw_size = 0; }},
    {"frame_larger_than_memory", "a frame of 67108865 bytes",
     [](Manifest& m) { m.frames[1].raw_size = (64u << 20) + 1; }},
    {"frame_stored_in_nothing", "a frame stored in 0 bytes",
     [](Manifest& m) { m.frames[1].stored_size = 0; }},
    {"frame_stored_in_more_than_zstd_makes", "a frame stored in 4097",
     [](Manifest& m) { m.frames[1].stored_size = 4097; }},
    {"mtime_policy_unknown", "mtime policy",
     [](Manifest& m) { m.mtime_policy = static_cast<MtimePolicy>(3); }},
};
INSTANTIATE_TEST_SUITE_P(Every, RefusedManifest, ::testing::ValuesIn(violations),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Manifest, the_deepest_safe_order_is_accepted) {
  Manifest m = sample();
  m.entries.insert(m.entries.begin() + 2, symlink("a.b", "/etc"));
  m.entries.insert(m.entries.begin() + 1, folder("a b"));
  m.entries[2].tar_offset += 512;
  m.entries[4].tar_offset += 1024;
  EXPECT_EQ(decode_manifest(encode_manifest(m), "test"), m);
}

TEST(Manifest, a_later_format_is_refused) {
  std::string body = encode_manifest_body(sample());
  body[0] = 2;
  EXPECT_THROW(decode_manifest_body(body), Malformed);
}

TEST(Manifest, bytes_behind_the_end_are_refused) {
  EXPECT_THROW(decode_manifest_body(encode_manifest_body(sample()) + '\0'), Malformed);
}

TEST(Manifest, counts_that_the_bytes_cannot_hold_take_no_memory) {
  for (const std::uint64_t entries : {std::uint64_t{1000}, max_entries, ~std::uint64_t{0}}) {
    for (const std::uint64_t frames : {std::uint64_t{0}, ~std::uint64_t{0}}) {
      std::string body;
      for (const std::uint64_t value : {std::uint64_t{1}, std::uint64_t{0}, entries, frames})
        put_varint(body, value);
      body.append(100, '\1');
      EXPECT_THROW(decode_manifest_body(body), Malformed);
    }
  }
}

std::string compressed(std::string_view body) {
  std::string out(ZSTD_compressBound(body.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), body.data(), body.size(), 1));
  return out;
}

TEST(Manifest, what_is_not_one_zstd_frame_is_refused) {
  const std::string good = encode_manifest(sample());
  const auto refused = [](const std::string& stored) {
    return fails_with(ErrorKind::integrity, "cannot read the manifest of x",
                      [&] { decode_manifest(stored, "x"); });
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("not zstd at all"));
  EXPECT_TRUE(refused(good + '\0'));
  EXPECT_TRUE(refused(good + compressed("")));
  EXPECT_TRUE(refused(compressed("") + good));
  EXPECT_TRUE(refused(compressed("")));
  for (std::size_t length = 0; length < good.size(); ++length)
    EXPECT_TRUE(refused(good.substr(0, length)));
}

TEST(Manifest, one_that_unpacks_to_more_than_the_limit_is_refused_before_it_does) {
  // A frame header alone that says: 1 GiB and one byte. Descriptor 0xE0: single segment, size in
  // eight bytes.
  const std::string bomb("\x28\xb5\x2f\xfd\xe0\x01\0\0\x40\0\0\0\0\x01\0\0", 16);
  EXPECT_TRUE(fails_with(ErrorKind::integrity, "it says it is 1.1 GB large",
                         [&] { decode_manifest(bomb, "x"); }));
}

TEST(Manifest, a_tree_beyond_the_limit_is_refused_when_written) {
  Manifest m;
  m.entries.resize(max_entries + 1);
  EXPECT_TRUE(fails_with(ErrorKind::failed, "4194305 entries", [&] { encode_manifest(m); }));
}

TEST(Manifest, content_digest_knows_every_part_of_an_entry) {
  const Manifest base = sample();
  std::vector<Manifest> others(7, base);
  others[0].entries[1].mode = 0600;
  others[1].entries[1].size = 6;
  others[2].entries[1].sha256 = sha256("other");
  others[3].entries[4].link_target = "elsewhere";
  others[4].entries[3].link_target = "a-b";
  others[5].entries[1].path = "a-c";
  others[6].entries.pop_back();
  for (const Manifest& other : others) EXPECT_NE(other.content_digest(), base.content_digest());
}

TEST(Manifest, content_digest_does_not_know_how_it_was_compressed) {
  Manifest other = sample();
  other.frames.pop_back();
  other.frames[0].raw_size = 6144;
  other.frames[0].stored_size = 7;
  EXPECT_EQ(other.content_digest(), sample().content_digest());
}

TEST(Manifest, content_digest_knows_the_mtimes_that_hosts_will_set) {
  Manifest source = sample(), later = sample(), fixed = sample();
  source.mtime_policy = later.mtime_policy = MtimePolicy::source;
  later.entries[0].mtime = 1;
  fixed.mtime_policy = MtimePolicy::fixed;
  EXPECT_NE(source.content_digest(), sample().content_digest());
  EXPECT_NE(source.content_digest(), later.content_digest());
  EXPECT_NE(fixed.content_digest(), source.content_digest());
}

TEST(Manifest, mtimes_follow_the_policy) {
  Manifest m = sample();
  m.entries[1].mtime = 77;
  const std::int64_t from_digest = m.mtime_of(m.entries[0]);
  EXPECT_EQ(m.mtime_of(m.entries[1]), from_digest);
  EXPECT_GE(from_digest, 1'000'000'000);
  EXPECT_LT(from_digest, 1'540'000'000);
  Manifest other = m;
  other.entries[1].sha256 = sha256("another release");
  EXPECT_NE(other.mtime_of(other.entries[1]), from_digest);
  m.mtime_policy = MtimePolicy::source;
  EXPECT_EQ(m.mtime_of(m.entries[1]), 77);
  m.mtime_policy = MtimePolicy::fixed;
  m.fixed_mtime = 1234;
  EXPECT_EQ(m.mtime_of(m.entries[1]), 1234);
}

}  // namespace
}  // namespace murder::testing
