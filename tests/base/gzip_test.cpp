#include "base/gzip.hpp"

#include <gtest/gtest.h>
#include <string>

#include "base/digest.hpp"
#include "base/random.hpp"
#include "base/units.hpp"

namespace murder {
namespace {

std::string noise(std::size_t size) {
  Random random(7);
  std::string text;
  while (text.size() < size) text += static_cast<char>(random.next() & 0xff);
  return text;
}

TEST(Gzip, WhatIsUnpackedIsWhatWasPacked) {
  for (const std::string& content :
       {std::string(), std::string("a"), std::string(5_MiB, 'x'), noise(3_MiB + 1)})
    EXPECT_EQ(gunzip(gzip(content)), content);
}

TEST(Gzip, TheSameContentGivesTheSameBytesWithoutATime) {
  const std::string packed = gzip("content");
  EXPECT_EQ(packed, gzip("content"));
  EXPECT_EQ(packed.substr(0, 8), std::string("\x1f\x8b\x08\0\0\0\0\0", 8));
}

TEST(Gzip, UnpacksWhatGzipWrote) {
  // printf murder | gzip -9n
  const std::string packed(
      "\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\x2d\x2d\x4a\x49\x2d\x02\0\x81\x56\xf3\x1c\x06\0\0\0", 26);
  EXPECT_EQ(gunzip(packed), "murder");
}

TEST(Gzip, WhatIsDamagedCutShortOrFollowedByMoreIsRefused) {
  const std::string content = noise(2_MiB + 5);
  const std::string packed = gzip(content);
  EXPECT_EQ(gunzip(""), std::nullopt);
  EXPECT_EQ(gunzip("no gzip"), std::nullopt);
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{10}, packed.size() / 2, packed.size() - 9, packed.size() - 1})
    EXPECT_EQ(gunzip(packed.substr(0, size)), std::nullopt) << size;
  EXPECT_EQ(gunzip(packed + "x"), std::nullopt);
  std::string damaged = packed;
  damaged[packed.size() / 2] ^= 1;
  EXPECT_EQ(gunzip(damaged), std::nullopt);
}

TEST(Gzip, NeverMoreThanTheLimit) {
  const std::string packed = gzip(std::string(64_MiB, '\0'));
  EXPECT_EQ(gunzip(packed, 64_MiB - 1), std::nullopt);
  EXPECT_EQ(gunzip(packed, 64_MiB)->size(), 64_MiB);
}

}  // namespace
}  // namespace murder
