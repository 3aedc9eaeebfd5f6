#include "base/digest.hpp"

#include <gtest/gtest.h>

namespace murder {
namespace {

// The vectors of FIPS 180.
const std::string abc = "abc";
const std::string two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

TEST(Sha1, matches_the_standards_vectors) {
  EXPECT_EQ(sha1("").hex(), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(sha1(abc).hex(), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(sha1(two_blocks).hex(), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(sha1(std::string(1'000'000, 'a')).hex(), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

TEST(Sha256, matches_the_standards_vectors) {
  EXPECT_EQ(sha256("").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256(abc).hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(two_blocks).hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1'000'000, 'a')).hex(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Stream, gives_the_same_however_the_data_is_cut) {
  std::string data;
  for (int i = 0; i < 5000; ++i) data += static_cast<char>(i * 31);
  for (const std::size_t part : {1u, 63u, 64u, 65u, 4096u, 5000u}) {
    Sha256Stream stream;
    for (std::size_t at = 0; at < data.size(); at += part)
      stream.update(as_bytes(std::string_view(data).substr(at, part)));
    EXPECT_EQ(stream.finish(), sha256(data)) << "in parts of " << part;
  }
}

TEST(Sha256Stream, starts_anew_after_finish_and_survives_a_move) {
  Sha256Stream stream;
  EXPECT_EQ(stream.finish(), sha256(""));
  stream.update(as_bytes("ab"));
  Sha256Stream moved = std::move(stream);
  moved.update(as_bytes("c"));
  EXPECT_EQ(moved.finish(), sha256(abc));
  moved.update(as_bytes(abc));
  EXPECT_EQ(moved.finish(), sha256(abc));
}

TEST(Digest, hexadecimal_round_trips_in_either_case) {
  const Sha1Digest digest = sha1(abc);
  EXPECT_EQ(Sha1Digest::from_hex(digest.hex()), digest);
  EXPECT_EQ(Sha1Digest::from_hex("A9993E364706816ABA3E25717850C26C9CD0D89D"), digest);
  EXPECT_EQ(Sha1Digest::from_bytes(digest.view()), digest);
}

TEST(Digest, refuses_other_lengths_and_other_digits) {
  const std::string hex = sha1(abc).hex();
  EXPECT_FALSE(Sha1Digest::from_hex(""));
  EXPECT_FALSE(Sha1Digest::from_hex(hex.substr(1)));
  EXPECT_FALSE(Sha1Digest::from_hex(hex + "0"));
  EXPECT_FALSE(Sha1Digest::from_hex(hex.substr(2) + "0g"));
  EXPECT_FALSE(Sha1Digest::from_hex(hex.substr(2) + " 0"));
  EXPECT_FALSE(Sha1Digest::from_hex(hex.substr(2) + "\xff\xff"));
  EXPECT_FALSE(Sha1Digest::from_bytes(""));
  EXPECT_FALSE(Sha1Digest::from_bytes(std::string(19, 'x')));
  EXPECT_FALSE(Sha1Digest::from_bytes(std::string(21, 'x')));
}

TEST(Digest, orders_by_bytes_as_unsigned) {
  EXPECT_LT(*Sha1Digest::from_bytes(std::string(20, '\x7f')),
            *Sha1Digest::from_bytes(std::string(20, '\x80')));
}

TEST(Digest, kinds_do_not_mix) {
  static_assert(!std::is_convertible_v<Sha1Digest, InfoHash>);
  static_assert(!std::is_convertible_v<InfoHash, PeerId>);
  EXPECT_EQ(to_hex(as_bytes(std::string_view("\x00\xff\x10", 3))), "00ff10");
}

}  // namespace
}  // namespace murder
