// Packs and frames that are not what they were: always an integrity error, never a wrong release.
#include <algorithm>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <zstd.h>

#include "release/pack.hpp"
#include "release/support.hpp"
#include "release/trailer.hpp"

namespace murder::testing {
namespace {

struct SmallPack {
  SmallPack() {
    put(dir / "tree/bin/run", "#!/bin/sh\n", 0755);
    put(dir / "tree/data", noise(3000, 1));
    fs::create_symlink("bin/run", dir / "tree/link");
    result = write_pack(dir / "tree", dir / "p.tar.zst", {});
    bytes = read_file(dir / "p.tar.zst");
  }
  ::testing::AssertionResult refused(const std::string& damaged) const {
    put(dir / "damaged", damaged);
    return fails_with(ErrorKind::integrity, "damaged", [&] { read_pack(dir / "damaged"); });
  }
  TempDir dir;
  PackResult result;
  std::string bytes;
};

TEST(PackDamage, a_flipped_bit_anywhere_behind_the_frames_is_found) {
  const SmallPack pack;
  for (std::size_t at = pack.result.manifest_offset - skippable_header_bytes;
       at < pack.bytes.size(); ++at) {
    std::string damaged = pack.bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    EXPECT_TRUE(pack.refused(damaged)) << at;
  }
}

TEST(PackDamage, a_pack_cut_anywhere_is_found) {
  const SmallPack pack;
  for (std::size_t length = 0; length < pack.bytes.size();
       length += length + 200 < pack.bytes.size() ? 97 : 1)
    EXPECT_TRUE(pack.refused(pack.bytes.substr(0, length))) << length;
}

TEST(PackDamage, bytes_behind_the_trailer_or_missing_before_it_are_found) {
  const SmallPack pack;
  EXPECT_TRUE(pack.refused(pack.bytes + '\0'));
  EXPECT_TRUE(pack.refused(pack.bytes.substr(1)));
  EXPECT_TRUE(pack.refused('\0' + pack.bytes));
  EXPECT_TRUE(pack.refused(pack.bytes + pack.bytes.substr(pack.bytes.size() - 72)));
}

TEST(PackDamage, frames_that_do_not_reach_the_manifest_are_found) {
  const SmallPack pack;
  Manifest manifest = pack.result.manifest;
  manifest.frames.back().stored_size -= 1;
  const std::string stored = encode_manifest(manifest);
  std::string forged = pack.bytes.substr(0, pack.result.manifest_offset - skippable_header_bytes);
  forged += skippable_header(manifest_frame_magic, static_cast<std::uint32_t>(stored.size()));
  const std::uint64_t offset = forged.size();
  forged += stored;
  forged += skippable_header(trailer_frame_magic, trailer_bytes);
  forged += encode_trailer({.manifest_offset = offset,
                            .manifest_length = stored.size(),
                            .manifest_sha256 = sha256(stored)});
  EXPECT_TRUE(pack.refused(forged));
}

TEST(PackDamage, what_is_no_pack_at_all_is_refused) {
  const SmallPack pack;
  EXPECT_TRUE(pack.refused(""));
  EXPECT_TRUE(pack.refused(noise(100'000, 1)));
  EXPECT_TRUE(fails_with(ErrorKind::integrity, "not a file", [&] { read_pack("/dev/zero"); }));
  EXPECT_TRUE(fails_with(ErrorKind::integrity, "not a file", [&] { read_pack(pack.dir.path()); }));
  EXPECT_TRUE(
      fails_with(ErrorKind::failed, "No such file", [&] { read_pack(pack.dir / "nothing"); }));
}

TEST(Trailer, comes_back_as_it_was) {
  const Trailer trailer{
      .manifest_offset = 1ull << 40, .manifest_length = 12345, .manifest_sha256 = sha256("m")};
  const std::string raw = encode_trailer(trailer);
  EXPECT_EQ(raw.size(), trailer_bytes);
  EXPECT_EQ(decode_trailer(raw, (1ull << 40) + 12345 + 72, "x"), trailer);
}

TEST(Trailer, places_that_wrap_around_are_refused) {
  for (const std::uint64_t offset : std::initializer_list<std::uint64_t>{~0ull, ~0ull - 71, 0, 7})
    for (const std::uint64_t length :
         std::initializer_list<std::uint64_t>{~0ull, 0, 1, 1000 - offset - 72})
      EXPECT_TRUE(fails_with(ErrorKind::integrity, "not where its trailer says",
                             [&] {
                               decode_trailer(encode_trailer({.manifest_offset = offset,
                                                              .manifest_length = length,
                                                              .manifest_sha256 = {}}),
                                              1000, "x");
                             }))
          << offset << " " << length;
}

class FrameDamage : public ::testing::Test {
 protected:
  static std::vector<std::uint8_t> compress(std::string_view raw, bool with_size = true) {
    std::vector<std::uint8_t> out(ZSTD_compressBound(raw.size()));
    ZSTD_CCtx* context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, with_size ? 1 : 0);
    out.resize(ZSTD_compress2(context, out.data(), out.size(), raw.data(), raw.size()));
    ZSTD_freeCCtx(context);
    return out;
  }
  static Frame frame_of(std::string_view raw, std::size_t stored_size) {
    return {.stored_offset = 4711,
            .stored_size = stored_size,
            .raw_offset = 0,
            .raw_size = raw.size(),
            .raw_sha256 = sha256(raw)};
  }
  ::testing::AssertionResult refused(const Frame& frame, std::span<const std::uint8_t> stored) {
    return fails_with(ErrorKind::integrity, "frame at byte 4711",
                      [&] { decoder_.decode(frame, stored); });
  }

  const std::string raw_ = noise(1000, 1) + std::string(5000, 'x') + noise(1000, 2);
  const std::vector<std::uint8_t> stored_ = compress(raw_);
  const Frame frame_ = frame_of(raw_, stored_.size());
  FrameDecoder decoder_;
};

TEST_F(FrameDamage, a_good_frame_is_decoded_again_and_again) {
  const std::string other = noise(100'000, 3);
  const auto other_stored = compress(other);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(std::ranges::equal(decoder_.decode(frame_, stored_), as_bytes(raw_)));
    EXPECT_TRUE(std::ranges::equal(
        decoder_.decode(frame_of(other, other_stored.size()), other_stored), as_bytes(other)));
  }
}

TEST_F(FrameDamage, a_flipped_bit_anywhere_is_found) {
  for (std::size_t at = 0; at < stored_.size(); ++at) {
    auto damaged = stored_;
    damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ (1u << (at % 8)));
    try {
      // A bit that the format does not use may be either way, as long as the content is right.
      EXPECT_TRUE(std::ranges::equal(decoder_.decode(frame_, damaged), as_bytes(raw_))) << at;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::integrity);
    }
  }
  EXPECT_TRUE(std::ranges::equal(decoder_.decode(frame_, stored_), as_bytes(raw_)));
}

TEST_F(FrameDamage, another_size_than_the_manifest_says_is_found) {
  auto longer = stored_;
  longer.push_back(0);
  EXPECT_TRUE(refused(frame_, longer));
  EXPECT_TRUE(refused(frame_, std::span(stored_).first(stored_.size() - 1)));
  EXPECT_TRUE(refused(frame_, {}));
  for (const int difference : {-1, 1}) {
    Frame other = frame_;
    other.raw_size += static_cast<std::uint64_t>(difference);
    EXPECT_TRUE(refused(other, stored_));
  }
}

TEST_F(FrameDamage, content_with_another_digest_is_found) {
  Frame other = frame_;
  other.raw_sha256 = sha256("another");
  EXPECT_TRUE(refused(other, stored_));
}

TEST_F(FrameDamage, a_frame_cut_short_is_found_though_the_manifest_agrees) {
  for (std::size_t size = 0; size < stored_.size(); size += 13)
    EXPECT_TRUE(refused(frame_of(raw_, size), std::span(stored_).first(size)));
}

TEST_F(FrameDamage, more_than_one_frame_is_refused) {
  const std::string_view raw = raw_;
  auto two = compress(raw.substr(0, 3000));
  std::ranges::copy(compress(raw.substr(3000)), std::back_inserter(two));
  EXPECT_TRUE(refused(frame_of(raw, two.size()), two));
  const std::string header = skippable_header(manifest_frame_magic, 0);
  auto skip_behind = stored_;
  skip_behind.insert(skip_behind.end(), header.begin(), header.end());
  EXPECT_TRUE(refused(frame_of(raw, skip_behind.size()), skip_behind));
  auto skip_before = stored_;
  skip_before.insert(skip_before.begin(), header.begin(), header.end());
  EXPECT_TRUE(refused(frame_of(raw, skip_before.size()), skip_before));
  const std::vector<std::uint8_t> skip_only(header.begin(), header.end());
  EXPECT_TRUE(refused(frame_of("", skip_only.size()), skip_only));
}

TEST_F(FrameDamage, a_frame_that_does_not_say_its_size_is_refused) {
  const auto unsaid = compress(raw_, false);
  EXPECT_TRUE(refused(frame_of(raw_, unsaid.size()), unsaid));
}

TEST_F(FrameDamage, a_frame_larger_than_memory_is_refused_before_it_is_unpacked) {
  const std::string bomb((64u << 20) + 1, '\0');
  const auto stored = compress(bomb);
  EXPECT_LT(stored.size(), 10'000u);
  EXPECT_TRUE(refused(frame_of(bomb, stored.size()), stored));
}

RC_GTEST_PROP(FrameDecoder, noise_is_refused, (const std::vector<std::uint8_t>& stored)) {
  FrameDecoder decoder;
  const Frame frame{.stored_offset = 0,
                    .stored_size = stored.size(),
                    .raw_offset = 0,
                    .raw_size = *rc::gen::inRange<std::uint64_t>(0, 100),
                    .raw_sha256 = {}};
  RC_ASSERT_THROWS_AS(decoder.decode(frame, stored), Error);
}

}  // namespace
}  // namespace murder::testing
