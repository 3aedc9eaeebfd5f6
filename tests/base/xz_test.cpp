#include "base/xz.hpp"

#include <gtest/gtest.h>
#include <string>

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

TEST(Xz, WhatIsUnpackedIsWhatWasPacked) {
  for (const XzFilter filter : {XzFilter::none, XzFilter::x86})
    for (const std::string& content :
         {std::string(), std::string("a"), std::string(3_MiB, 'x'), noise(1_MiB + 1)})
      EXPECT_EQ(unxz(xz(content, filter), content.size()), content);
}

TEST(Xz, TheSameContentGivesTheSameBytes) {
  EXPECT_EQ(xz("content", XzFilter::x86), xz("content", XzFilter::x86));
}

TEST(Xz, UnpacksWhatXzWrote) {
  // printf murder | xz
  const std::string packed(
      "\xfd\x37\x7a\x58\x5a\0\0\x04\xe6\xd6\xb4\x46\x02\0\x21\x01\x16\0\0\0\x74\x2f\xe5"
      "\xa3\x01\0\x05\x6d\x75\x72\x64\x65\x72\0\0\0\x51\xa5\x0f\x07\xa5\x0c\x59\x10\0"
      "\x01\x1e\x06\xc1\x2f\xa4\x1d\x1f\xb6\xf3\x7d\x01\0\0\0\0\x04\x59\x5a",
      64);
  EXPECT_EQ(unxz(packed, 6), "murder");
}

TEST(Xz, WhatIsDamagedCutShortOrFollowedByMoreIsRefused) {
  const std::string content = noise(300'000);
  const std::string packed = xz(content, XzFilter::x86);
  EXPECT_EQ(unxz("", 0), std::nullopt);
  EXPECT_EQ(unxz("no xz", 5), std::nullopt);
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{12}, packed.size() / 2, packed.size() - 9, packed.size() - 1})
    EXPECT_EQ(unxz(packed.substr(0, size), content.size()), std::nullopt) << size;
  EXPECT_EQ(unxz(packed + "x", content.size()), std::nullopt);
  std::string damaged = packed;
  damaged[packed.size() / 2] ^= 1;
  EXPECT_EQ(unxz(damaged, content.size()), std::nullopt);
}

TEST(Xz, NeitherMoreNorLessThanWasSaid) {
  const std::string packed = xz(std::string(1_MiB, '\0'), XzFilter::none);
  EXPECT_EQ(unxz(packed, 1_MiB - 1), std::nullopt);
  EXPECT_EQ(unxz(packed, 1_MiB + 1), std::nullopt);
  EXPECT_EQ(unxz(packed, 1_MiB)->size(), 1_MiB);
}

}  // namespace
}  // namespace murder
