#include "bittorrent/metainfo.hpp"

#include <bit>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "bittorrent/bencode.hpp"
#include "bittorrent/support.hpp"

namespace murder {
namespace {

using bencode::DictionaryEncoder;
using murder::testing::any_bytes;
using murder::testing::any_digest;
using murder::testing::bytes_of;
using murder::testing::damaged;
using murder::testing::fails_with;
using murder::testing::unhex;

/// The worked example of docs/metainfo.md: the 13 bytes "hello, fleet\n" as a file.
std::string example_info() {
  return "d6:lengthi13e6:murderd6:formati1e4:kind4:file3:tag2:v7e4:name9:hello.txt"
         "12:piece lengthi16384e12:piece sha25632:" +
         unhex("a963e87ae48c91da3ea9c3399321d0354d3289ecc12c9ef18bd1df2354b114a2") +
         "6:pieces20:" + unhex("bdec7843f5b8c124ba2415549fea425c2ea5fb59") + "7:privatei1ee";
}
constexpr std::string_view example_info_hash = "038b0e5c24eb07c584ae40f1a390791298733b7e";

Metainfo example_fields() {
  const std::string payload = "hello, fleet\n";
  Metainfo m;
  m.name = "hello.txt";
  m.length = payload.size();
  m.piece_length = 16384;
  m.piece_sha1 = {sha1(payload)};
  m.piece_sha256 = {sha256(payload)};
  m.is_private = true;
  m.release = ReleaseInfo{PayloadKind::file, "v7", std::nullopt};
  m.trackers = {{"http://origin:8998/announce"}};
  return m;
}

Metainfo pack_fields() {
  Metainfo m;
  m.name = "v8.tar.zst";
  m.length = 40000;
  m.piece_length = 16384;
  m.piece_sha1.resize(3);
  m.piece_sha256.resize(3);
  m.is_private = true;
  m.release =
      ReleaseInfo{PayloadKind::pack, "v8",
                  ReleaseInfo::ManifestLocation{39000, 500, sha256(std::string_view("manifest"))}};
  return m;
}

/// An info dictionary as another program makes it, to be bent by a test.
DictionaryEncoder foreign_info() {
  DictionaryEncoder info;
  info.integer("length", 3).string("name", "a.txt").integer("piece length", 16384);
  info.string("pieces", sha1(std::string_view("abc")).view());
  return info;
}

DictionaryEncoder murder_key(std::string_view kind) {
  DictionaryEncoder murder;
  murder.integer("format", 1).string("kind", kind).string("tag", "v7");
  return murder;
}

DictionaryEncoder manifest_at(std::int64_t offset, std::int64_t length) {
  DictionaryEncoder manifest;
  manifest.integer("offset", offset).integer("length", length);
  return manifest.string("sha256", std::string(32, 'm'));
}

rc::Gen<Metainfo> any_fields() {
  return rc::gen::exec([] {
    Metainfo m;
    m.name = *rc::gen::suchThat(bytes_of("abcXYZ019 ._-\xc3\xa4"),
                                [](const auto& s) { return !s.empty() && s != "." && s != ".."; });
    m.piece_length = 16384u << *rc::gen::inRange(0, 13);
    const auto pieces = *rc::gen::inRange<std::uint32_t>(1, 20);
    m.length = std::uint64_t{pieces - 1} * m.piece_length +
               *rc::gen::inRange<std::uint32_t>(1, m.piece_length + 1);
    m.piece_sha1 = *rc::gen::container<std::vector<Sha1Digest>>(pieces, any_digest<Sha1Digest>());
    if (*rc::gen::arbitrary<bool>())
      m.piece_sha256 =
          *rc::gen::container<std::vector<Sha256Digest>>(pieces, any_digest<Sha256Digest>());
    m.is_private = *rc::gen::arbitrary<bool>();
    const auto tag = rc::gen::suchThat(bytes_of("abcXYZ019._-"),
                                       [](const std::string& s) { return is_valid_tag(s); });
    switch (*rc::gen::inRange(0, 3)) {
      case 0:
        m.release = ReleaseInfo{PayloadKind::file, *tag, std::nullopt};
        break;
      case 1: {
        const auto length = *rc::gen::inRange<std::uint64_t>(1, m.length + 1);
        const auto offset = *rc::gen::inRange<std::uint64_t>(0, m.length - length + 1);
        m.release =
            ReleaseInfo{PayloadKind::pack, *tag,
                        ReleaseInfo::ManifestLocation{offset, length, *any_digest<Sha256Digest>()}};
        break;
      }
      default:
        break;
    }
    const auto url = rc::gen::nonEmpty(bytes_of("http://x:8998/announce"));
    const auto tier = rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(url));
    m.trackers =
        *rc::gen::resize(5, rc::gen::container<std::vector<std::vector<std::string>>>(tier));
    m.web_seeds = *rc::gen::resize(5, rc::gen::container<std::vector<std::string>>(url));
    return m;
  });
}

void expect_valid(const Metainfo& m) {
  RC_ASSERT(!m.name.empty() && m.name != "." && m.name != "..");
  RC_ASSERT(m.name.find('/') == std::string::npos && m.name.find('\0') == std::string::npos);
  RC_ASSERT(std::has_single_bit(m.piece_length));
  std::uint64_t total = 0;
  for (std::uint32_t i = 0; i < m.piece_count(); ++i) total += m.piece_size(PieceIndex(i));
  RC_ASSERT(total == m.length && m.length > 0);
  RC_ASSERT(m.piece_sha256.empty() || m.piece_sha256.size() == m.piece_sha1.size());
  if (m.release) RC_ASSERT(is_valid_tag(m.release->tag));
  if (m.release && m.release->manifest)
    RC_ASSERT(m.release->manifest->offset + m.release->manifest->length <= m.length);
}

TEST(Metainfo, worked_example_is_made_byte_for_byte) {
  const Metainfo m = make_metainfo(example_fields());
  EXPECT_EQ(m.info_bytes, example_info());
  EXPECT_EQ(m.info_hash.hex(), example_info_hash);
  EXPECT_EQ(encode_metainfo(m), "d8:announce27:http://origin:8998/announce10:created by12:murder " +
                                    std::string(MURDER_VERSION) + "4:info" + m.info_bytes + "e");
}

TEST(Metainfo, web_seeds_are_written_and_read_and_outside_of_the_info_hash) {
  Metainfo fields = example_fields();
  fields.web_seeds = {"http://store/a", "http://mirror/"};
  const Metainfo m = make_metainfo(fields);
  EXPECT_EQ(m.info_hash.hex(), example_info_hash);
  const std::string file = encode_metainfo(m);
  EXPECT_TRUE(file.ends_with("8:url-listl14:http://store/a14:http://mirror/ee"));
  EXPECT_EQ(parse_metainfo(file, "x"), m);
  const std::string info = "d4:info" + m.info_bytes;
  EXPECT_EQ(parse_metainfo(info + "8:url-list14:http://store/ae", "x").web_seeds,
            std::vector<std::string>{"http://store/a"});
  EXPECT_TRUE(parse_metainfo(info + "8:url-list0:e", "x").web_seeds.empty());
  EXPECT_TRUE(parse_metainfo(info + "8:url-listl0:ee", "x").web_seeds.empty());
  for (const std::string odd : {"i1e", "d1:a1:be", "li1ee"})
    EXPECT_THROW(parse_metainfo(info + "8:url-list" + odd + "e", "x"), Error) << odd;
  std::string many = "l";
  for (int i = 0; i < 65; ++i) many += "1:u";
  EXPECT_THROW(parse_metainfo(info + "8:url-list" + many + "ee", "x"), Error);
  fields.web_seeds = {std::string(3000, 'x')};
  EXPECT_THROW(make_metainfo(fields), Error);
}

TEST(Metainfo, info_hash_is_sha1_of_the_literal_info_bytes) {
  const std::string info = "d6:lengthi3e4:name5:a.txt12:piece lengthi16384e6:pieces20:" +
                           unhex("a9993e364706816aba3e25717850c26c9cd0d89d") + "e";
  const std::string file = "d8:announce18:http://t/announce?4:info" + info + "e";
  const Metainfo m = parse_metainfo(file, "a.torrent");
  EXPECT_EQ(m.info_hash.hex(), "351c57d9dcabc5c94d4597b137e1b94bea21504c");
  EXPECT_EQ(m.info_hash.bytes, sha1(info).bytes);
  EXPECT_EQ(m.info_bytes, info);
  EXPECT_EQ(m.piece_sha1.at(0), sha1(std::string_view("abc")));
  EXPECT_EQ(m.trackers, (std::vector<std::vector<std::string>>{{"http://t/announce?"}}));
}

TEST(Metainfo, torrents_of_other_programs_are_read_with_their_own_keys) {
  DictionaryEncoder info = foreign_info();
  info.integer("piece length", 1024).string("source", "elsewhere").integer("private", 0);
  DictionaryEncoder file;
  file.encoded("info", info.encode()).string("comment", "x").integer("creation date", 1);
  const Metainfo m = parse_metainfo(file.encode(), "x.torrent");
  EXPECT_FALSE(m.release);
  EXPECT_FALSE(m.is_private);
  EXPECT_TRUE(m.piece_sha256.empty());
  EXPECT_TRUE(m.trackers.empty());
  EXPECT_EQ(m.tag(), "a.txt");
  // Unknown keys are part of the info-hash, so writing it anew must keep them.
  EXPECT_EQ(parse_metainfo(encode_metainfo(m), "again").info_hash.bytes, sha1(info.encode()).bytes);
}

TEST(Metainfo, trackers_do_not_change_the_info_hash) {
  Metainfo one = example_fields();
  Metainfo other = example_fields();
  other.trackers = {{"http://a/announce", "http://b/announce"}, {"http://c/announce"}};
  one = make_metainfo(one);
  other = make_metainfo(other);
  EXPECT_EQ(one.info_hash, other.info_hash);
  EXPECT_EQ(parse_metainfo(encode_metainfo(other), "x").trackers, other.trackers);
}

TEST(Metainfo, announce_list_goes_before_announce_and_empty_tiers_vanish) {
  DictionaryEncoder file;
  file.encoded("info", foreign_info().encode()).string("announce", "http://old/announce");
  const std::string announce_only = file.encode();
  file.encoded("announce-list",
               "lle"
               "l0:19:http://new/announcee"
               "e");
  EXPECT_EQ(parse_metainfo(file.encode(), "x").trackers,
            (std::vector<std::vector<std::string>>{{"http://new/announce"}}));
  file.encoded("announce-list", "le");
  EXPECT_EQ(parse_metainfo(file.encode(), "x").trackers,
            (std::vector<std::vector<std::string>>{{"http://old/announce"}}));
  EXPECT_EQ(parse_metainfo(announce_only, "x").trackers.size(), 1u);
}

TEST(Metainfo, bare_info_dictionary_is_the_same_torrent) {
  const Metainfo made = make_metainfo(example_fields());
  Metainfo bare = parse_info(made.info_bytes, "a peer");
  EXPECT_TRUE(bare.trackers.empty());
  bare.trackers = made.trackers;
  EXPECT_EQ(bare, made);
}

TEST(Metainfo, hybrid_torrents_are_read_as_v1) {
  DictionaryEncoder info = foreign_info();
  info.integer("meta version", 2).encoded("file tree", "d5:a.txtd0:d6:lengthi3eeee");
  EXPECT_EQ(parse_info(info.encode(), "x").length, 3u);
}

TEST(Metainfo, last_piece_is_what_is_left) {
  const Metainfo m = make_metainfo(pack_fields());
  EXPECT_EQ(m.piece_count(), 3u);
  EXPECT_EQ(m.piece_size(PieceIndex(0)), 16384u);
  EXPECT_EQ(m.piece_size(PieceIndex(2)), 40000u - 2 * 16384);
  EXPECT_EQ(m.piece_size(PieceIndex(3)), 0u);
  EXPECT_EQ(m.piece_offset(PieceIndex(2)), 32768u);
  EXPECT_EQ(m.tag(), "v8");
}

TEST(Metainfo, default_piece_length_follows_the_size_alone) {
  EXPECT_EQ(default_piece_length(0), 16_KiB);
  EXPECT_EQ(default_piece_length(8_MiB - 1), 16_KiB);
  EXPECT_EQ(default_piece_length(8_MiB), 32_KiB);
  EXPECT_EQ(default_piece_length(64_MiB), 32_KiB);
  EXPECT_EQ(default_piece_length(64_MiB + 1), 64_KiB);
  EXPECT_EQ(default_piece_length(2_GiB), 1_MiB);
  EXPECT_EQ(default_piece_length(8_GiB), 4_MiB);
  EXPECT_EQ(default_piece_length(~std::uint64_t{0}), 4_MiB);
}

TEST(Metainfo, tags_are_safe_as_folder_names) {
  EXPECT_TRUE(is_valid_tag("v1.2.3-rc_4"));
  EXPECT_TRUE(is_valid_tag("..."));
  EXPECT_TRUE(is_valid_tag(std::string(128, 'x')));
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("a b"),
        std::string("a\0", 2), std::string("ä"), std::string("a\n"), std::string(129, 'x')})
    EXPECT_FALSE(is_valid_tag(bad)) << bad;
}

TEST(Metainfo, every_truncation_is_an_integrity_error) {
  const std::string file = encode_metainfo(make_metainfo(example_fields()));
  for (std::size_t size = 0; size < file.size(); ++size)
    EXPECT_TRUE(fails_with(ErrorKind::integrity,
                           "cannot read torrent v7.torrent: not bencode: byte",
                           [&] { parse_metainfo(file.substr(0, size), "v7.torrent"); }))
        << size;
}

struct BadTorrent {
  std::string what;
  std::string info;
  ErrorKind kind;
  std::string reason;
};
void PrintTo(const BadTorrent& bad, std::ostream* out) { *out << bad.what; }

class RefusedTorrent : public ::testing::TestWithParam<BadTorrent> {};

TEST_P(RefusedTorrent, says_why_and_from_where) {
  const BadTorrent& bad = GetParam();
  EXPECT_TRUE(fails_with(bad.kind, bad.reason, [&] { parse_info(bad.info, "somewhere"); }));
  EXPECT_TRUE(fails_with(bad.kind, "cannot read torrent somewhere: ", [&] {
    parse_metainfo("d4:info" + bad.info + "e", "somewhere");
  }));
}

template <class Edit>
std::string bent(Edit edit) {
  DictionaryEncoder info = foreign_info();
  edit(info);
  return info.encode();
}
std::string named(std::string_view name) {
  return bent([&](auto& info) { info.string("name", name); });
}
std::string with_murder(const DictionaryEncoder& murder) {
  return bent([&](auto& info) { info.encoded("murder", murder.encode()); });
}
std::string with_manifest(const DictionaryEncoder& manifest) {
  return with_murder(murder_key("pack").encoded("manifest", manifest.encode()));
}
std::string without(std::string_view key) {
  const std::string info = foreign_info().encode();
  const bencode::Value value = bencode::parse(info, {});
  DictionaryEncoder rest;
  for (const auto& [name, member] : *value.dictionary())
    if (name != key) rest.encoded(name, std::string(member.raw()));
  return rest.encode();
}

constexpr auto integrity = ErrorKind::integrity;
constexpr auto failed = ErrorKind::failed;

INSTANTIATE_TEST_SUITE_P(
    Names, RefusedTorrent,
    ::testing::Values(BadTorrent{"empty", named(""), integrity, "name is empty"},
                      BadTorrent{"parent", named(".."), integrity, "one path component"},
                      BadTorrent{"self", named("."), integrity, "one path component"},
                      BadTorrent{"climbs", named("../etc/passwd"), integrity, "'../etc/passwd'"},
                      BadTorrent{"absolute", named("/etc/passwd"), integrity, "path component"},
                      BadTorrent{"nul", named(std::string_view("a\0b", 3)), integrity, "a\\x00b"},
                      BadTorrent{"long", named(std::string(256, 'n')), integrity, "256 bytes"},
                      BadTorrent{"missing", without("name"), integrity, "'name' is missing"},
                      BadTorrent{"integer", bent([](auto& i) { i.integer("name", 1); }), integrity,
                                 "'name' is an integer, not a string"}));

INSTANTIATE_TEST_SUITE_P(
    Sizes, RefusedTorrent,
    ::testing::Values(
        BadTorrent{"negative", bent([](auto& i) { i.integer("length", -3); }), integrity,
                   "'length' is -3"},
        BadTorrent{"absurd", bent([](auto& i) { i.integer("length", (1ll << 53) + 1); }), integrity,
                   "beyond reason"},
        BadTorrent{"largest", bent([](auto& i) { i.integer("length", 1ll << 53); }), integrity,
                   "need 549755813888 SHA-1 digests, not 1"},
        BadTorrent{"empty", bent([](auto& i) { i.integer("length", 0).string("pieces", ""); }),
                   failed, "payload is empty"},
        BadTorrent{"string", bent([](auto& i) { i.string("length", "3"); }), integrity,
                   "'length' is a string, not an integer"},
        BadTorrent{"missing", without("length"), integrity, "'length' is missing"},
        BadTorrent{"no_piece_length", without("piece length"), integrity, "is missing"},
        BadTorrent{"piece_0", bent([](auto& i) { i.integer("piece length", 0); }), integrity,
                   "piece length is 0"},
        BadTorrent{"piece_negative", bent([](auto& i) { i.integer("piece length", -16384); }),
                   integrity, "'piece length' is -16384"},
        BadTorrent{"piece_odd", bent([](auto& i) { i.integer("piece length", 20000); }), failed,
                   "only powers of two"},
        BadTorrent{"piece_short", bent([](auto& i) { i.integer("piece length", 512); }), failed,
                   "only powers of two"},
        BadTorrent{"piece_long", bent([](auto& i) { i.integer("piece length", 128 << 20); }),
                   failed, "only powers of two"},
        // 2^32 + 2^14 must not pass for 2^14.
        BadTorrent{"piece_wraps", bent([](auto& i) { i.integer("piece length", 4295000064); }),
                   failed, "only powers of two"}));

INSTANTIATE_TEST_SUITE_P(
    Digests, RefusedTorrent,
    ::testing::Values(
        BadTorrent{"torn", bent([](auto& i) { i.string("pieces", std::string(19, 'x')); }),
                   integrity, "'pieces' is 19 bytes, not a multiple of 20"},
        BadTorrent{"too_many", bent([](auto& i) { i.string("pieces", std::string(40, 'x')); }),
                   integrity, "need 1 SHA-1 digests, not 2"},
        BadTorrent{"none", bent([](auto& i) { i.string("pieces", ""); }), integrity,
                   "need 1 SHA-1 digests, not 0"},
        BadTorrent{"missing", without("pieces"), integrity, "'pieces' is missing"},
        BadTorrent{"sha256_torn",
                   bent([](auto& i) { i.string("piece sha256", std::string(31, 'x')); }), integrity,
                   "'piece sha256' is 31 bytes, not a multiple of 32"},
        BadTorrent{"sha256_too_many",
                   bent([](auto& i) { i.string("piece sha256", std::string(64, 'x')); }), integrity,
                   "1 pieces need 1 SHA-256 digests, not 2"},
        BadTorrent{"sha256_empty", bent([](auto& i) { i.string("piece sha256", ""); }), integrity,
                   "'piece sha256' is empty"},
        BadTorrent{"sha256_integer", bent([](auto& i) { i.integer("piece sha256", 1); }), integrity,
                   "'piece sha256' is an integer"}));

INSTANTIATE_TEST_SUITE_P(
    Shapes, RefusedTorrent,
    ::testing::Values(BadTorrent{"no_files", "d5:filesle4:name1:x12:piece lengthi16384e6:pieces0:e",
                                 integrity, "'files' is empty"},
                      BadTorrent{"both", bent([](auto& i) { i.encoded("files", "le"); }), integrity,
                                 "both 'length' and 'files'"},
                      BadTorrent{"v2_only", "d9:file treede12:meta versioni2e4:name1:xe", failed,
                                 "v2 torrent"},
                      BadTorrent{"list", "le", integrity, "info is a list, not a dictionary"},
                      BadTorrent{"private_string", bent([](auto& i) { i.string("private", "1"); }),
                                 integrity, "'private' is a string"}));

INSTANTIATE_TEST_SUITE_P(
    Murder, RefusedTorrent,
    ::testing::Values(
        BadTorrent{"newer", with_murder(murder_key("file").integer("format", 2)), failed,
                   "newer murder (format 2, this one reads 1): upgrade murder"},
        BadTorrent{"newer_of_another_shape", with_murder(DictionaryEncoder().integer("format", 3)),
                   failed, "upgrade murder"},
        BadTorrent{"format_0", with_murder(murder_key("file").integer("format", 0)), integrity,
                   "format is 0"},
        BadTorrent{"no_format", with_murder(DictionaryEncoder()), integrity, "'format' is missing"},
        BadTorrent{"kind", with_murder(murder_key("tree")), integrity,
                   "'tree', neither pack nor file"},
        BadTorrent{"tag", with_murder(murder_key("file").string("tag", "../x")), integrity,
                   "the tag '../x'"},
        BadTorrent{"not_a_dictionary", bent([](auto& i) { i.string("murder", "x"); }), integrity,
                   "'murder' is a string, not a dictionary"},
        BadTorrent{"pack_without_manifest", with_murder(murder_key("pack")), integrity,
                   "a pack has no manifest"},
        BadTorrent{"file_with_manifest",
                   with_murder(murder_key("file").encoded("manifest", manifest_at(0, 1).encode())),
                   integrity, "a file has a manifest"},
        BadTorrent{"manifest_outside", with_manifest(manifest_at(2, 2)), integrity,
                   "(2 bytes at 2) is not inside the payload of 3 bytes"},
        BadTorrent{"manifest_empty", with_manifest(manifest_at(0, 0)), integrity, "not inside"},
        BadTorrent{"manifest_negative", with_manifest(manifest_at(-1, 1)), integrity,
                   "'offset' is -1"},
        BadTorrent{"manifest_wraps",
                   with_manifest(manifest_at(std::numeric_limits<std::int64_t>::max(), 2)),
                   integrity, "not inside"},
        BadTorrent{"manifest_digest", with_manifest(manifest_at(0, 1).string("sha256", "short")),
                   integrity, "'sha256' is 5 bytes"},
        BadTorrent{"manifest_two_digests",
                   with_manifest(manifest_at(0, 1).string("sha256", std::string(64, 'm'))),
                   integrity, "sha256 is 64 bytes, not 32"},
        BadTorrent{"manifest_string", with_murder(murder_key("pack").string("manifest", "x")),
                   integrity, "'manifest' is a string"}));

TEST(Metainfo, files_that_are_no_torrents_are_refused) {
  const auto refused = [](std::string_view file, std::string_view reason) {
    return fails_with(ErrorKind::integrity, reason, [&] { parse_metainfo(file, "x"); });
  };
  EXPECT_TRUE(refused("", "byte 0"));
  EXPECT_TRUE(refused("<html>", "'<' does not begin a value"));
  EXPECT_TRUE(refused("i1e", "it is an integer, not a dictionary"));
  EXPECT_TRUE(refused("de", "no info dictionary"));
  EXPECT_TRUE(refused("d4:infoi1ee", "info is an integer"));
  const std::string info = foreign_info().encode();
  EXPECT_TRUE(refused("d4:info" + info + "8:announce1:xe", "out of order"));
  EXPECT_TRUE(refused("d4:info" + info + "ee", "1 bytes after the end"));
  EXPECT_TRUE(refused("d8:announcei1e4:info" + info + "e", "'announce' is an integer"));
  EXPECT_TRUE(refused("d13:announce-list1:x4:info" + info + "e", "not a list"));
  EXPECT_TRUE(refused("d13:announce-listl1:xe4:info" + info + "e", "not a list"));
  EXPECT_TRUE(refused("d8:announce3000:" + std::string(3000, 'u') + "4:info" + info + "e",
                      "URL is 3000 bytes"));
}

TEST(Metainfo, fields_that_make_no_torrent_are_usage_errors) {
  const auto refused = [](std::string_view reason, auto edit) {
    Metainfo m = pack_fields();
    edit(m);
    return fails_with(ErrorKind::usage, reason, [&] { make_metainfo(m); });
  };
  EXPECT_NO_THROW(make_metainfo(pack_fields()));
  EXPECT_TRUE(refused("name is empty", [](Metainfo& m) { m.name.clear(); }));
  EXPECT_TRUE(refused("path component", [](Metainfo& m) { m.name = "a/b"; }));
  EXPECT_TRUE(refused("payload is empty", [](Metainfo& m) { m.length = 0; }));
  EXPECT_TRUE(refused("beyond reason", [](Metainfo& m) { m.length = 1ull << 60; }));
  EXPECT_TRUE(refused("powers of two from 16384 to", [](Metainfo& m) { m.piece_length = 8192; }));
  EXPECT_TRUE(refused("powers of two", [](Metainfo& m) { m.piece_length = 128 << 20; }));
  EXPECT_TRUE(refused("powers of two", [](Metainfo& m) { m.piece_length = 20000; }));
  EXPECT_TRUE(refused("piece length is 0", [](Metainfo& m) { m.piece_length = 0; }));
  EXPECT_TRUE(refused("SHA-1 digests, not 2", [](Metainfo& m) { m.piece_sha1.pop_back(); }));
  EXPECT_TRUE(refused("SHA-256 digests, not 2", [](Metainfo& m) { m.piece_sha256.pop_back(); }));
  EXPECT_TRUE(refused("the tag ''", [](Metainfo& m) { m.release->tag.clear(); }));
  EXPECT_TRUE(refused("no manifest", [](Metainfo& m) { m.release->manifest.reset(); }));
  EXPECT_TRUE(refused("not inside", [](Metainfo& m) { m.release->manifest->offset = 39501; }));
  EXPECT_TRUE(refused("tracker's URL", [](Metainfo& m) { m.trackers = {{""}}; }));
}

RC_GTEST_PROP(MetainfoProperty, what_is_made_reads_back_the_same, ()) {
  const Metainfo made = make_metainfo(*any_fields());
  expect_valid(made);
  const std::string file = encode_metainfo(made);
  RC_ASSERT(parse_metainfo(file, "x") == made);
  RC_ASSERT(encode_metainfo(parse_metainfo(file, "x")) == file);
}

RC_GTEST_PROP(MetainfoProperty, default_piece_length_is_legal_and_long_enough, ()) {
  const auto size = *rc::gen::inRange<std::uint64_t>(0, 1ull << 45);
  const std::uint32_t length = default_piece_length(size);
  RC_ASSERT(std::has_single_bit(length));
  const std::uint32_t shortest = size < 8_MiB ? 16_KiB : 32_KiB;
  RC_ASSERT(length >= shortest && length <= 4_MiB);
  RC_ASSERT(length == 4_MiB || std::uint64_t{length} * 2048 >= size);
  RC_ASSERT(length == shortest || std::uint64_t{length} / 2 * 2048 < size);
}

RC_GTEST_PROP(MetainfoProperty, damaged_torrents_are_refused_or_valid, ()) {
  static const std::string file = encode_metainfo(make_metainfo(pack_fields()));
  try {
    expect_valid(parse_metainfo(*damaged(file), "damaged"));
  } catch (const Error& error) {
    RC_ASSERT(error.kind() == ErrorKind::integrity || error.kind() == ErrorKind::failed);
  }
}

RC_GTEST_PROP(MetainfoProperty, any_bytes_are_refused, ()) {
  const std::string bytes = *any_bytes();
  RC_ASSERT_THROWS_AS(parse_metainfo(bytes, "x"), Error);
  RC_ASSERT_THROWS_AS(parse_info(bytes, "x"), Error);
}

}  // namespace
}  // namespace murder
