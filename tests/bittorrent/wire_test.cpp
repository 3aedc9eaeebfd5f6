#include "bittorrent/wire.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "bittorrent/bencode.hpp"
#include "bittorrent/support.hpp"

namespace murder::wire {
namespace {

using murder::testing::any_bytes;
using murder::testing::any_digest;
using murder::testing::damaged;
using murder::testing::unhex;
using Status = Decoded::Status;

std::string encoded(const Message& message) {
  std::string out;
  append(out, message);
  return out;
}

Block block(std::uint32_t piece, std::uint32_t begin, std::uint32_t length) {
  return {PieceIndex(piece), begin, length};
}

/// A frame of any length that claims to be of any other.
std::string frame(std::uint32_t length, std::string_view body) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(length >> shift & 0xff);
  return out += body;
}

Handshake some_handshake() {
  Handshake handshake;
  handshake.fast = true;
  handshake.extensions = true;
  handshake.info_hash = *InfoHash::from_bytes("HHHHHHHHHHHHHHHHHHHH");
  handshake.peer_id = *PeerId::from_bytes("-MU0100-abcdefghijkl");
  return handshake;
}

TEST(Handshake, bytes_are_those_of_bep_3) {
  const std::string bytes = encode_handshake(some_handshake());
  EXPECT_EQ(bytes, unhex("13") + "BitTorrent protocol" + unhex("0000000000100004") +
                       "HHHHHHHHHHHHHHHHHHHH" + "-MU0100-abcdefghijkl");
  EXPECT_EQ(bytes.size(), handshake_size);
  EXPECT_EQ(decode_handshake(bytes), some_handshake());
}

TEST(Handshake, bits_of_other_extensions_are_not_ours) {
  std::string bytes = encode_handshake(some_handshake());
  for (std::size_t i = 20; i < 28; ++i) bytes[i] = static_cast<char>(0xff);
  bytes[25] = static_cast<char>(0xff & ~0x10);
  bytes[27] = static_cast<char>(0xff & ~0x04);
  const auto handshake = decode_handshake(bytes);
  ASSERT_TRUE(handshake);
  EXPECT_FALSE(handshake->fast);
  EXPECT_FALSE(handshake->extensions);
}

TEST(Handshake, other_protocols_and_other_lengths_are_refused) {
  const std::string good = encode_handshake(some_handshake());
  EXPECT_FALSE(decode_handshake(""));
  EXPECT_FALSE(decode_handshake(good.substr(0, 67)));
  EXPECT_FALSE(decode_handshake(good + "x"));
  for (std::size_t i = 0; i < 20; ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(decode_handshake(bad)) << i;
  }
  EXPECT_FALSE(decode_handshake("GET /announce HTTP/1.1\r\n" + std::string(44, ' ')));
}

struct Vector {
  Message message;
  std::string hex;
};

std::vector<Vector> vectors() {
  return {
      {KeepAlive{}, "00000000"},
      {Choke{}, "00000001 00"},
      {Unchoke{}, "00000001 01"},
      {Interested{}, "00000001 02"},
      {NotInterested{}, "00000001 03"},
      {Have{PieceIndex(0x01020304)}, "00000005 04 01020304"},
      {Bitfield{std::string("\xa0\x01", 2)}, "00000003 05 a001"},
      {Request{block(1, 0x4000, 0x8000)}, "0000000d 06 00000001 00004000 00008000"},
      {Piece{block(1, 0x4000, 0x8000)}, "00008009 07 00000001 00004000"},
      {Cancel{block(0xffffffff, 0, 1)}, "0000000d 08 ffffffff 00000000 00000001"},
      {Port{6881}, "00000003 09 1ae1"},
      {Suggest{PieceIndex(7)}, "00000005 0d 00000007"},
      {HaveAll{}, "00000001 0e"},
      {HaveNone{}, "00000001 0f"},
      {Reject{block(1, 2, 3)}, "0000000d 10 00000001 00000002 00000003"},
      {AllowedFast{PieceIndex(9)}, "00000005 11 00000009"},
      {Extended{0, "de"}, "00000004 14 00 6465"},
      {Extended{255, ""}, "00000002 14 ff"},
      {Unknown{200}, "00000001 c8"},
  };
}

TEST(Wire, every_message_has_the_bytes_of_its_bep) {
  for (const auto& [message, hex] : vectors()) {
    EXPECT_EQ(encoded(message), unhex(hex)) << hex;
    const Decoded decoded = decode(unhex(hex), {});
    ASSERT_EQ(decoded.status, Status::message) << hex << decoded.reason;
    EXPECT_EQ(decoded.message, message) << hex;
    EXPECT_EQ(decoded.consumed, unhex(hex).size()) << hex;
  }
}

TEST(Wire, a_part_of_a_message_waits_for_the_rest) {
  for (const auto& [message, hex] : vectors()) {
    const std::string whole = unhex(hex);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Decoded decoded = decode(std::string_view(whole).substr(0, size), {});
      EXPECT_EQ(decoded.status, Status::need_more) << hex << " cut at " << size;
      EXPECT_EQ(decoded.consumed, 0u);
    }
  }
}

TEST(Wire, data_of_a_piece_is_left_where_it_is) {
  const std::string bytes = encoded(Piece{block(3, 16384, 4)}) + "DATA" + encoded(Choke{});
  const Decoded decoded = decode(bytes, {});
  ASSERT_EQ(decoded.status, Status::message);
  EXPECT_EQ(decoded.message, Message(Piece{block(3, 16384, 4)}));
  EXPECT_EQ(decoded.consumed, 13u);
  // The header is enough: the data need not have come.
  EXPECT_EQ(decode(std::string_view(bytes).substr(0, 13), {}).status, Status::message);
}

TEST(Wire, unknown_messages_are_skipped_whole) {
  const std::string bytes = frame(6, std::string("\x63") + "extra") + encoded(Unchoke{});
  const Decoded decoded = decode(bytes, {});
  ASSERT_EQ(decoded.status, Status::message);
  EXPECT_EQ(decoded.message, Message(Unknown{0x63}));
  EXPECT_EQ(decoded.consumed, 10u);
  EXPECT_EQ(decode(std::string_view(bytes).substr(10), {}).message, Message(Unchoke{}));
}

TEST(Wire, wrong_lengths_are_malformed_before_the_body_has_come) {
  const std::vector<std::pair<std::uint8_t, std::uint32_t>> right{
      {0, 1}, {1, 1},  {2, 1},  {3, 1},  {4, 5},   {6, 13}, {8, 13},
      {9, 3}, {13, 5}, {14, 1}, {15, 1}, {16, 13}, {17, 5}};
  for (const auto& [id, length] : right) {
    const std::string id_byte(1, static_cast<char>(id));
    EXPECT_EQ(decode(frame(length + 1, id_byte), {}).status, Status::malformed) << int{id};
    if (length > 1) {
      EXPECT_EQ(decode(frame(length - 1, id_byte), {}).status, Status::malformed) << int{id};
    }
  }
  EXPECT_NE(decode(frame(4, "\x04"), {}).reason.find("'have' of 4 bytes, not 5"),
            std::string::npos);
  EXPECT_EQ(decode(frame(1, "\x14"), {}).status, Status::malformed) << "extended without its id";
  EXPECT_EQ(decode(frame(8, "\x07"), {}).status, Status::malformed) << "piece without its begin";
  EXPECT_EQ(decode(frame(9, "\x07"), {}).status, Status::malformed) << "piece without data";
}

TEST(Wire, huge_lengths_are_malformed_before_anything_is_kept) {
  const Limits limits{.max_message_bytes = 1000, .max_block_bytes = 5000};
  EXPECT_EQ(decode(frame(0xffffffff, ""), limits).status, Status::malformed);
  EXPECT_EQ(decode(frame(5010, ""), limits).status, Status::malformed);
  EXPECT_EQ(decode(frame(5009, ""), limits).status, Status::need_more) << "may become a piece";
  EXPECT_EQ(decode(frame(5009, "\x07"), limits).status, Status::need_more);
  EXPECT_EQ(decode(frame(5009, "\x05"), limits).status, Status::malformed);
  for (const char id : {'\x05', '\x14', '\x63'}) {
    EXPECT_EQ(decode(frame(1000, std::string(1, id)), limits).status, Status::need_more);
    EXPECT_EQ(decode(frame(1001, std::string(1, id)), limits).status, Status::malformed);
  }
  const Limits widest{.max_message_bytes = 0xffffffff, .max_block_bytes = 0xffffffff};
  EXPECT_EQ(decode(frame(0xffffffff, "\x07"), widest).status, Status::need_more);
}

TEST(Wire, small_blocks_do_not_forbid_long_bitfields) {
  const Limits limits{.max_message_bytes = 5000, .max_block_bytes = 100};
  EXPECT_EQ(decode(frame(5000, "\x05"), limits).status, Status::need_more);
  EXPECT_EQ(decode(frame(110, "\x07"), limits).status, Status::malformed);
}

rc::Gen<Block> any_block() {
  return rc::gen::map(rc::gen::arbitrary<std::array<std::uint32_t, 3>>(),
                      [](const auto& n) { return block(n[0], n[1], n[2]); });
}

rc::Gen<Message> any_message() {
  return rc::gen::exec([]() -> Message {
    const auto piece = PieceIndex(*rc::gen::arbitrary<std::uint32_t>());
    switch (*rc::gen::inRange(0, 18)) {
      case 0:
        return KeepAlive{};
      case 1:
        return Choke{};
      case 2:
        return Unchoke{};
      case 3:
        return Interested{};
      case 4:
        return NotInterested{};
      case 5:
        return Have{piece};
      case 6:
        return Bitfield{*any_bytes()};
      case 7:
        return Request{*any_block()};
      case 8:
        return Cancel{*any_block()};
      case 9: {
        Block data = *any_block();
        data.length = *rc::gen::inRange<std::uint32_t>(1, (1u << 20) + 1);
        return Piece{data};
      }
      case 10:
        return Port{*rc::gen::arbitrary<std::uint16_t>()};
      case 11:
        return Suggest{piece};
      case 12:
        return HaveAll{};
      case 13:
        return HaveNone{};
      case 14:
        return Reject{*any_block()};
      case 15:
        return AllowedFast{piece};
      case 16:
        return Extended{*rc::gen::arbitrary<std::uint8_t>(), *any_bytes()};
      default:
        return Unknown{*rc::gen::inRange<std::uint8_t>(21, 255)};
    }
  });
}

RC_GTEST_PROP(WireProperty, a_stream_of_messages_comes_out_as_it_went_in, ()) {
  const int count = *rc::gen::inRange(0, 12);
  std::vector<Message> sent;
  std::string stream;
  for (int i = 0; i < count; ++i) {
    sent.push_back(*any_message());
    append(stream, sent.back());
  }
  std::string_view rest = stream;
  for (const Message& message : sent) {
    const Decoded decoded = decode(rest, {});
    RC_ASSERT(decoded.status == Status::message);
    RC_ASSERT(decoded.message == message);
    rest.remove_prefix(decoded.consumed);
  }
  RC_ASSERT(rest.empty());
  RC_ASSERT(decode(rest, {}).status == Status::need_more);
}

RC_GTEST_PROP(WireProperty, any_bytes_are_decoded_or_refused, ()) {
  std::string bytes = *rc::gen::oneOf(any_bytes(), damaged(encoded(Request{block(1, 2, 3)})),
                                      damaged(encoded(Extended{0, "d1:md6:ut_pexi1eee"})));
  if (*rc::gen::arbitrary<bool>()) bytes.insert(0, 3, '\0');  // lengths below 256
  const Decoded decoded = decode(bytes, {.max_message_bytes = 64, .max_block_bytes = 64});
  RC_ASSERT(decoded.consumed <= bytes.size());
  RC_ASSERT((decoded.status == Status::message) == (decoded.consumed > 0));
  RC_ASSERT((decoded.status == Status::malformed) == !decoded.reason.empty());
}

RC_GTEST_PROP(WireProperty, handshakes_come_out_as_they_went_in, ()) {
  Handshake handshake;
  handshake.fast = *rc::gen::arbitrary<bool>();
  handshake.extensions = *rc::gen::arbitrary<bool>();
  handshake.info_hash = *any_digest<InfoHash>();
  handshake.peer_id = *any_digest<PeerId>();
  RC_ASSERT(decode_handshake(encode_handshake(handshake)) == handshake);
}

// The worked example of docs/wire.md.
TEST(ExtensionHandshake, worked_example_is_made_byte_for_byte) {
  ExtensionHandshake handshake;
  handshake.ut_metadata = 1;
  handshake.ut_pex = 2;
  handshake.metadata_size = 188;
  handshake.request_queue = 64;
  handshake.listen_port = 8999;
  handshake.client = "murder 0.1.0";
  handshake.max_block_bytes = 131072;
  const std::string bytes = encode_extension_handshake(handshake);
  EXPECT_EQ(bytes,
            "d1:md11:ut_metadatai1e6:ut_pexi2ee13:metadata_sizei188e6:murderd9:max_blocki131072ee"
            "1:pi8999e4:reqqi64e1:v12:murder 0.1.0e");
  EXPECT_EQ(decode_extension_handshake(bytes), handshake);
}

TEST(ExtensionHandshake, nothing_said_is_an_empty_m) {
  EXPECT_EQ(encode_extension_handshake({}), "d1:mdee");
  EXPECT_EQ(decode_extension_handshake("d1:mdee"), ExtensionHandshake{});
  EXPECT_EQ(decode_extension_handshake("de"), ExtensionHandshake{});
}

TEST(ExtensionHandshake, keys_of_stock_clients_in_any_order_are_read) {
  const auto handshake = decode_extension_handshake(
      "d1:v18:libtorrent/2.0.8.04:reqqi2000e1:pi6881e6:yourip4:\x7f\x01\x01\x01"
      "1:md11:upload_onlyi3e11:ut_metadatai2e6:ut_pexi1ee11:upload_onlyi1ee");
  ASSERT_TRUE(handshake);
  EXPECT_EQ(handshake->client, "libtorrent/2.0.8.0");
  EXPECT_EQ(handshake->request_queue, 2000u);
  EXPECT_EQ(handshake->listen_port, 6881);
  EXPECT_EQ(handshake->ut_metadata, 2);
  EXPECT_EQ(handshake->ut_pex, 1);
  EXPECT_TRUE(handshake->upload_only);
  EXPECT_EQ(handshake->max_block_bytes, 0u);
}

TEST(ExtensionHandshake, keys_of_a_wrong_type_or_range_are_ignored) {
  const auto handshake = decode_extension_handshake(
      "d1:md11:ut_metadatai256e6:ut_pexi-1ee13:metadata_sizei4294967296e6:murder3:yes"
      "1:pi65536e4:reqq3:lot1:vi1ee");
  ASSERT_TRUE(handshake);
  EXPECT_EQ(*handshake, ExtensionHandshake{});
  EXPECT_EQ(decode_extension_handshake("d1:mle6:murderd9:max_blocki-1eee"), ExtensionHandshake{});
}

TEST(ExtensionHandshake, what_is_no_dictionary_is_refused) {
  for (const std::string_view bad : {"", "i1e", "le", "0:", "d", "d1:mde", "d1:mdeex", "d1:mi01ee"})
    EXPECT_FALSE(decode_extension_handshake(bad)) << bad;
  EXPECT_FALSE(
      decode_extension_handshake("d1:m" + std::string(8, 'l') + std::string(8, 'e') + "e"));
}

RC_GTEST_PROP(ExtensionHandshakeProperty, comes_out_as_it_went_in, ()) {
  ExtensionHandshake handshake;
  handshake.ut_metadata = *rc::gen::arbitrary<std::uint8_t>();
  handshake.ut_pex = *rc::gen::arbitrary<std::uint8_t>();
  handshake.metadata_size = *rc::gen::arbitrary<std::uint32_t>();
  handshake.request_queue = *rc::gen::arbitrary<std::uint32_t>();
  handshake.listen_port = *rc::gen::arbitrary<std::uint16_t>();
  handshake.upload_only = *rc::gen::arbitrary<bool>();
  handshake.client = *any_bytes();
  handshake.max_block_bytes = *rc::gen::arbitrary<std::uint32_t>();
  if (handshake.max_block_bytes != 0) handshake.have_pieces = *rc::gen::arbitrary<std::uint32_t>();
  RC_ASSERT(decode_extension_handshake(encode_extension_handshake(handshake)) == handshake);
}

RC_GTEST_PROP(ExtensionHandshakeProperty, any_bytes_are_read_or_refused, ()) {
  ExtensionHandshake handshake;
  handshake.ut_metadata = 1;
  handshake.metadata_size = 100;
  handshake.max_block_bytes = 16384;
  const std::string good = encode_extension_handshake(handshake);
  const std::string bytes = *rc::gen::oneOf(any_bytes(), damaged(good));
  if (decode_extension_handshake(bytes)) RC_ASSERT((bytes.front() == 'd' && bytes.back() == 'e'));
}

}  // namespace
}  // namespace murder::wire
