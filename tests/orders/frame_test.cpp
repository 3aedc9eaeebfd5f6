#include "orders/frame.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace murder::orders {
namespace {

TEST(Frames, come_out_as_they_went_in_however_they_are_cut) {
  const std::vector<std::uint8_t> bytes(70'000, 7);
  const std::string stream =
      encode_frame("{\"a\":1}") + encode_frame("{}", bytes) + encode_frame("{\"b\":2}");
  for (const std::size_t step :
       {std::size_t{1}, std::size_t{3}, std::size_t{4096}, stream.size()}) {
    FrameReader reader;
    std::vector<Frame> frames;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      reader.add(std::string_view(stream).substr(at, step));
      while (auto frame = reader.next()) frames.push_back(std::move(*frame));
    }
    ASSERT_EQ(frames.size(), 3u);
    EXPECT_EQ(frames[0].json, "{\"a\":1}");
    EXPECT_EQ(frames[1].attachment, bytes);
    EXPECT_EQ(frames[2].json, "{\"b\":2}");
    EXPECT_TRUE(reader.empty());
  }
}

TEST(Frames, a_length_out_of_bounds_is_refused_before_its_bytes_come) {
  FrameReader reader;
  EXPECT_THROW(reader.add(std::string_view("\xff\xff\xff\xff\0\0\0\0", 8)), Error);
  FrameReader other;
  EXPECT_THROW(other.add(std::string_view("\0\0\0\2\x7f\0\0\0", 8)), Error);
  EXPECT_THROW(encode_frame(std::string(max_frame_part_bytes + 1, ' ')), Error);
}

TEST(Frames, half_a_frame_is_nothing_yet) {
  FrameReader reader;
  reader.add(encode_frame("{}").substr(0, 9));
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.empty());
}

}  // namespace
}  // namespace murder::orders
