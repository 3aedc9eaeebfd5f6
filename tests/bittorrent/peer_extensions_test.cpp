#include "bittorrent/peer_extensions.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "bittorrent/support.hpp"

namespace murder::wire {
namespace {

using Type = MetadataMessage::Type;

TEST(MetadataMessage, as_the_bep_writes_them) {
  EXPECT_EQ(encode_metadata_message({Type::request, 7}), "d8:msg_typei0e5:piecei7ee");
  EXPECT_EQ(encode_metadata_message({Type::reject, 7}), "d8:msg_typei2e5:piecei7ee");
  EXPECT_EQ(encode_metadata_message({Type::data, 0, 34256, "xxd8:"}),
            "d8:msg_typei1e5:piecei0e10:total_sizei34256eexxd8:");
}

TEST(MetadataMessage, what_was_written_is_read) {
  for (const MetadataMessage& message :
       {MetadataMessage{Type::request, 3}, MetadataMessage{Type::reject, ~0u},
        MetadataMessage{Type::data, 1, 40000, std::string(16384, 'd')}})
    EXPECT_EQ(decode_metadata_message(encode_metadata_message(message)), message);
  const auto unsorted = decode_metadata_message("d5:piecei1e8:msg_typei0e3:fooi1ee");
  EXPECT_EQ(unsorted, (MetadataMessage{Type::request, 1}));
}

TEST(MetadataMessage, what_is_none_is_none) {
  for (const char* odd :
       {"", "x", "i1e", "de", "d8:msg_typei0ee", "d5:piecei0ee", "d8:msg_typei3e5:piecei0ee",
        "d8:msg_typei-1e5:piecei0ee", "d8:msg_typei0e5:piecei-1ee",
        "d8:msg_typei0e5:piecei4294967296ee", "d8:msg_typei1e5:piecei0e"})
    EXPECT_FALSE(decode_metadata_message(odd)) << odd;
}

TEST(PexMessage, what_was_written_is_read) {
  PexMessage message;
  message.added = {*Endpoint::parse("10.0.0.1:8999"), *Endpoint::parse("10.0.0.2:9000"),
                   *Endpoint::parse("[2001:db8::1]:8999")};
  message.dropped = {*Endpoint::parse("10.0.0.3:1"), *Endpoint::parse("[2001:db8::2]:2")};
  EXPECT_EQ(decode_pex_message(encode_pex_message(message)), message);
  EXPECT_EQ(encode_pex_message({}), "d5:added0:7:added.f0:7:dropped0:e");
}

TEST(PexMessage, what_is_none_is_none_and_peers_that_nobody_can_dial_are_left_out) {
  for (const char* odd : {"", "le", "d5:added3:abce", "d6:added65:abcdee"})
    EXPECT_FALSE(decode_pex_message(odd)) << odd;
  EXPECT_FALSE(decode_pex_message("d5:added" + std::to_string(6 * 1000) + ":" +
                                  std::string(6 * 1000, 'x') + "e"))
      << "beyond reason";
  const auto port_0 = decode_pex_message(std::string("d5:added6:\x0a\0\0\1\0\0e", 17));
  ASSERT_TRUE(port_0);
  EXPECT_TRUE(port_0->added.empty());
  EXPECT_EQ(decode_pex_message("d1:ai1e5:added0:e"), PexMessage{});
}

RC_GTEST_PROP(PeerExtensions, any_bytes_are_read_or_not, ()) {
  const std::string bytes = *testing::any_bytes();
  if (const auto message = decode_metadata_message(bytes))
    RC_ASSERT(decode_metadata_message(encode_metadata_message(*message)) == message);
  if (const auto message = decode_pex_message(bytes))
    RC_ASSERT(decode_pex_message(encode_pex_message(*message)) == message);
}

}  // namespace
}  // namespace murder::wire
