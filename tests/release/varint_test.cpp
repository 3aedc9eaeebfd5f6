#include "release/varint.hpp"

#include <gtest/gtest.h>
#include <limits>
#include <rapidcheck/gtest.h>

namespace murder {
namespace {

TEST(Varint, numbers_of_every_length_come_back) {
  for (unsigned bits = 0; bits < 64; ++bits) {
    for (const std::uint64_t value :
         {std::uint64_t{1} << bits, (std::uint64_t{1} << bits) - 1, ~(std::uint64_t{1} << bits)}) {
      std::string text;
      put_varint(text, value);
      ByteReader reader(text);
      EXPECT_EQ(reader.varint(), value);
      EXPECT_EQ(reader.remaining(), 0u);
    }
  }
}

TEST(Varint, signed_extremes_come_back) {
  using Limits = std::numeric_limits<std::int64_t>;
  for (const std::int64_t value : {Limits::min(), std::int64_t{-1}, std::int64_t{0},
                                   std::int64_t{1}, std::int64_t{63}, Limits::max()}) {
    std::string text;
    put_signed(text, value);
    EXPECT_EQ(ByteReader(text).signed_varint(), value);
  }
}

TEST(Varint, a_number_has_one_encoding) {
  const std::string needless("\x80\x00", 2);
  EXPECT_THROW(ByteReader(needless).varint(), Malformed);
}

TEST(Varint, a_number_beyond_64_bits_is_refused) {
  const std::string just_fits = std::string(9, '\xff') + '\x01';
  EXPECT_EQ(ByteReader(just_fits).varint(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_THROW(ByteReader(std::string(9, '\xff') + '\x02').varint(), Malformed);
  EXPECT_THROW(ByteReader(std::string(10, '\x80') + '\x01').varint(), Malformed);
}

TEST(Varint, input_that_ends_early_is_refused) {
  EXPECT_THROW(ByteReader("").varint(), Malformed);
  EXPECT_THROW(ByteReader("\x80").varint(), Malformed);
  EXPECT_THROW(ByteReader("\x05name").bytes(), Malformed);
  EXPECT_THROW(ByteReader("abc").raw(4), Malformed);
}

RC_GTEST_PROP(Varint, what_is_read_was_written_like_that, (const std::string& text)) {
  ByteReader reader(text);
  try {
    const std::uint64_t value = reader.varint();
    std::string again;
    put_varint(again, value);
    RC_ASSERT(again == text.substr(0, text.size() - reader.remaining()));
  } catch (const Malformed&) {
    RC_SUCCEED("refused");
  }
}

}  // namespace
}  // namespace murder
