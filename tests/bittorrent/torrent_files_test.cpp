// Torrents of several files, as other programs make them: what they say, and every way in which a
// path could lead out of its folder.
#include "bittorrent/torrent_files.hpp"

#include <gtest/gtest.h>

#include "bittorrent/metainfo.hpp"
#include "bittorrent/support.hpp"

namespace murder {
namespace {

using bencode::DictionaryEncoder;
using murder::testing::fails_with;

constexpr auto integrity = ErrorKind::integrity;
constexpr auto failed = ErrorKind::failed;

std::string path_of(const std::vector<std::string>& components) {
  std::vector<std::string> encoded;
  for (const std::string& component : components)
    encoded.push_back(bencode::encode_string(component));
  return bencode::encode_list(encoded);
}

std::string file(const std::vector<std::string>& components, std::int64_t length,
                 std::string_view attributes = "") {
  DictionaryEncoder entry;
  entry.integer("length", length).encoded("path", path_of(components));
  if (!attributes.empty()) entry.string("attr", attributes);
  return entry.encode();
}

/// An info dictionary of these files, with as many digests as they need.
DictionaryEncoder info_of(const std::vector<std::string>& files, std::uint64_t length) {
  DictionaryEncoder info;
  info.encoded("files", bencode::encode_list(files)).string("name", "site");
  info.integer("piece length", 16384);
  info.string("pieces", std::string(20 * ((length + 16383) / 16384), 'p'));
  return info;
}

Metainfo parse(const std::vector<std::string>& files, std::uint64_t length) {
  return parse_info(info_of(files, length).encode(), "t");
}

TEST(torrent_files, lie_one_after_the_other) {
  const Metainfo m = parse(
      {file({"bin", "run"}, 20000, "x"), file({"empty"}, 0), file({"etc", "deep", "conf"}, 5)},
      20005);
  ASSERT_TRUE(m.is_tree());
  EXPECT_EQ(m.name, "site");
  EXPECT_EQ(m.tag(), "site");
  EXPECT_EQ(m.length, 20005u);
  EXPECT_EQ(m.piece_count(), 2u);
  EXPECT_EQ(m.files, (std::vector<TorrentFile>{{"bin/run", 20000, 0, false, true},
                                               {"empty", 0, 20000, false, false},
                                               {"etc/deep/conf", 5, 20000, false, false}}));
  EXPECT_EQ(m.file_count(), 3u);
  EXPECT_EQ(m.file_bytes(), 20005u);
  EXPECT_EQ(parse_metainfo(encode_metainfo(m), "again"), m);
}

/// As libtorrent makes them: v1 and v2 in one, each file beginning with a piece.
TEST(torrent_files, of_a_hybrid_torrent_are_those_of_its_v1_part) {
  auto info =
      info_of({file({"a"}, 100), file({".pad", "16284"}, 16284, "p"), file({"b"}, 16384),
               file({".pad", "0"}, 0, "p"), file({"c"}, 1), file({".pad", "16284"}, 0, "p")},
              32769);
  info.integer("meta version", 2).encoded("file tree", "de");
  const Metainfo m = parse_info(info.encode(), "t");
  EXPECT_EQ(m.length, 32769u);
  EXPECT_EQ(m.file_count(), 3u);
  EXPECT_EQ(m.file_bytes(), 16485u);
  EXPECT_TRUE(m.files[1].is_padding);
  EXPECT_EQ(m.files[2].offset, 16384u) << "padding takes room in the payload";
}

TEST(torrent_files, a_torrent_of_one_file_has_no_list) {
  DictionaryEncoder info;
  info.integer("length", 3).string("name", "a").integer("piece length", 16384);
  info.string("pieces", std::string(20, 'p'));
  const Metainfo m = parse_info(info.encode(), "t");
  EXPECT_FALSE(m.is_tree());
  EXPECT_EQ(m.file_count(), 1u);
  EXPECT_EQ(m.file_bytes(), 3u);
}

TEST(torrent_files, are_read_and_not_made) {
  Metainfo m = parse({file({"a"}, 5)}, 5);
  EXPECT_TRUE(fails_with(ErrorKind::usage, "torrents of one file", [&] { make_metainfo(m); }));
}

TEST(torrent_files, a_folder_may_have_a_neighbour_that_begins_like_it) {
  EXPECT_EQ(parse({file({"a-b"}, 1), file({"a", "c"}, 1), file({"a.d"}, 1), file({"a", "b"}, 1)}, 4)
                .file_count(),
            4u);
}

TEST(torrent_files, paths_that_lead_elsewhere_are_refused) {
  for (const std::vector<std::string>& path : {std::vector<std::string>{".."},
                                               {"a", "..", "b"},
                                               {"."},
                                               {""},
                                               {"a", ""},
                                               {"", "a"},
                                               {"a/b"},
                                               {"/etc"},
                                               {std::string("a\0b", 3)},
                                               {std::string(256, 'n')}})
    EXPECT_TRUE(fails_with(integrity, "in the path of file 2 the name", [&] {
      parse({file({"good"}, 1), file(path, 1)}, 2);
    })) << path.back();
  EXPECT_TRUE(fails_with(integrity, "file 1 has no path", [] { parse({file({}, 1)}, 1); }));
  EXPECT_TRUE(fails_with(integrity, "is longer than 4095 bytes", [] {
    parse({file(std::vector<std::string>(20, std::string(250, 'n')), 1)}, 1);
  }));
}

TEST(torrent_files, the_padding_of_a_hostile_torrent_climbs_nowhere_either) {
  EXPECT_TRUE(fails_with(integrity, "in the path of file 2 the name", [] {
    parse({file({"a"}, 1), file({"..", "x"}, 1, "p")}, 2);
  }));
}

TEST(torrent_files, that_would_be_in_each_others_way_are_refused) {
  EXPECT_TRUE(fails_with(integrity, "it names 'a/b' twice", [] {
    parse({file({"a", "b"}, 1), file({"a-c"}, 1), file({"a", "b"}, 1)}, 3);
  }));
  EXPECT_TRUE(fails_with(integrity, "'a' is a file, and 'a/b' needs a folder there", [] {
    parse({file({"a", "b"}, 1), file({"a-c"}, 1), file({"a"}, 1)}, 3);
  }));
}

TEST(torrent_files, symlinks_are_refused_by_name) {
  EXPECT_TRUE(fails_with(failed, "'lib/x.so' is a symlink", [] {
    parse({file({"lib", "x.so"}, 1, "l")}, 1);
  }));
}

TEST(torrent_files, lengths_are_counted_and_bounded) {
  EXPECT_TRUE(fails_with(integrity, "the length of 'a' is missing or less than nothing",
                         [] { parse({file({"a"}, -1)}, 1); }));
  EXPECT_TRUE(fails_with(integrity, "large beyond reason", [] {
    parse({file({"a"}, std::int64_t{1} << 53), file({"b"}, 1)}, 1);
  }));
  EXPECT_TRUE(fails_with(integrity, "need 2 SHA-1 digests, not 1", [] {
    parse({file({"a"}, 16384), file({"b"}, 1)}, 1);
  }));
  EXPECT_TRUE(fails_with(failed, "the payload is empty", [] { parse({file({"a"}, 0)}, 0); }));
  EXPECT_TRUE(
      fails_with(integrity, "no file but padding", [] { parse({file({"a"}, 1, "p")}, 1); }));
}

/// Each a few bytes in the torrent, and a thousand folders on the disk.
TEST(torrent_files, folders_are_bounded_like_files) {
  std::vector<std::string> files;
  for (int i = 0; i < 1100; ++i) {
    std::vector<std::string> path(1000, "d");
    path.front() = std::to_string(i);
    files.push_back(file(path, 1));
  }
  EXPECT_TRUE(fails_with(failed, "1048576 files and folders", [&] { parse(files, 1100); }));
}

TEST(torrent_files, other_shapes_are_refused) {
  const auto with_files = [](std::string value) {
    DictionaryEncoder info = info_of({}, 1);
    return info.encoded("files", std::move(value)).encode();
  };
  EXPECT_TRUE(fails_with(integrity, "'files' is an integer, not a list",
                         [&] { parse_info(with_files("i1e"), "t"); }));
  EXPECT_TRUE(fails_with(integrity, "file 1 is a string, not a dictionary",
                         [&] { parse_info(with_files("l1:ae"), "t"); }));
  EXPECT_TRUE(fails_with(integrity, "in the path of file 1 is an integer",
                         [&] { parse_info(with_files("ld6:lengthi1e4:pathli1eeee"), "t"); }));
  EXPECT_TRUE(fails_with(integrity, "a release of murder is one file", [] {
    DictionaryEncoder murder;
    murder.integer("format", 1).string("kind", "file").string("tag", "v7");
    parse_info(info_of({file({"a"}, 1)}, 1).encoded("murder", murder.encode()).encode(), "t");
  }));
}

}  // namespace
}  // namespace murder
