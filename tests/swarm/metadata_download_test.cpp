// The info dictionary from a peer that may be of good will or not.
#include "swarm/metadata_download.hpp"

#include <gtest/gtest.h>

#include "bittorrent/peer_extensions.hpp"

namespace murder::swarm {
namespace {

using Outcome = MetadataDownload::Outcome;
using Type = wire::MetadataMessage::Type;

class MetadataDownloadTest : public testing::Test {
 protected:
  static constexpr std::uint8_t their_id = 9;
  std::string metadata_ = std::string(20 * 16384 + 100, 'm');
  MetadataDownload download_{InfoHash{sha1(std::string_view(metadata_)).bytes}};
  std::vector<wire::Message> reply_;

  Outcome handshake(std::uint32_t size, std::uint8_t id = their_id) {
    wire::ExtensionHandshake hello;
    hello.ut_metadata = id;
    hello.metadata_size = size;
    return download_.on_message(wire::Extended{0, wire::encode_extension_handshake(hello)}, reply_);
  }
  Outcome say(const wire::MetadataMessage& message) {
    return download_.on_message(
        wire::Extended{wire::our_ut_metadata, wire::encode_metadata_message(message)}, reply_);
  }
  Outcome give(std::uint32_t piece) {
    return say({Type::data, piece, static_cast<std::uint32_t>(metadata_.size()),
                metadata_.substr(piece * 16384u, 16384)});
  }
  /// The pieces that have been asked for since the last time.
  std::vector<std::uint32_t> asked() {
    std::vector<std::uint32_t> pieces;
    for (const wire::Message& message : std::exchange(reply_, {})) {
      const auto& extended = std::get<wire::Extended>(message);
      EXPECT_EQ(extended.id, their_id);
      const auto said = wire::decode_metadata_message(extended.payload);
      EXPECT_EQ(said->type, Type::request);
      pieces.push_back(said->piece);
    }
    return pieces;
  }
};

TEST_F(MetadataDownloadTest, all_of_it_is_asked_for_a_few_pieces_at_a_time) {
  EXPECT_EQ(handshake(static_cast<std::uint32_t>(metadata_.size())), Outcome::going_on);
  std::vector<std::uint32_t> to_give = asked();
  EXPECT_EQ(to_give.size(), 8u);
  std::vector<std::uint32_t> given;
  Outcome outcome = Outcome::going_on;
  while (!to_give.empty()) {
    EXPECT_LE(to_give.size(), 8u);
    EXPECT_EQ(outcome, Outcome::going_on);
    const std::uint32_t piece = to_give.back();  // in any order
    to_give.pop_back();
    given.push_back(piece);
    outcome = give(piece);
    for (const std::uint32_t next : asked()) to_give.push_back(next);
  }
  EXPECT_EQ(outcome, Outcome::done);
  EXPECT_EQ(given.size(), 21u);
  EXPECT_EQ(download_.metadata(), metadata_);
}

TEST_F(MetadataDownloadTest, other_messages_do_not_matter) {
  EXPECT_EQ(download_.on_message(wire::HaveAll{}, reply_), Outcome::going_on);
  EXPECT_EQ(download_.on_message(wire::Extended{3, "x"}, reply_), Outcome::going_on);
  EXPECT_TRUE(reply_.empty());
}

TEST_F(MetadataDownloadTest, one_who_has_none_or_gives_none_is_useless) {
  EXPECT_EQ(handshake(0), Outcome::useless);
  EXPECT_EQ(handshake(100, 0), Outcome::useless);
  EXPECT_EQ(handshake(100), Outcome::going_on);
  EXPECT_EQ(say({Type::reject, 0}), Outcome::useless);
}

TEST_F(MetadataDownloadTest, a_size_beyond_reason_is_refused_before_anything_is_set_aside) {
  EXPECT_EQ(handshake(0xffffffff), Outcome::hostile);
  EXPECT_EQ(handshake(wire::max_metadata_bytes + 1), Outcome::hostile);
  EXPECT_TRUE(reply_.empty());
}

TEST_F(MetadataDownloadTest, what_nobody_asked_for_is_hostile) {
  EXPECT_EQ(give(0), Outcome::hostile) << "before its size is known";
  handshake(static_cast<std::uint32_t>(metadata_.size()));
  EXPECT_EQ(give(0), Outcome::going_on);
  EXPECT_EQ(give(0), Outcome::hostile) << "twice";
  EXPECT_EQ(give(20), Outcome::hostile) << "not asked for yet";
  EXPECT_EQ(say({Type::data, 0xffffffff, 1, "x"}), Outcome::hostile);
}

TEST_F(MetadataDownloadTest, pieces_of_another_length_are_hostile) {
  handshake(static_cast<std::uint32_t>(metadata_.size()));
  for (const std::size_t length : {0u, 16383u, 16385u, 100'000u})
    EXPECT_EQ(say({Type::data, 1, 1, std::string(length, 'x')}), Outcome::hostile) << length;
}

TEST_F(MetadataDownloadTest, what_does_not_match_the_info_hash_is_hostile) {
  metadata_.resize(100);
  handshake(100);
  EXPECT_EQ(give(0), Outcome::hostile);
  EXPECT_NE(download_.reason().find("info-hash"), std::string::npos);
  EXPECT_TRUE(download_.metadata().empty());
}

TEST_F(MetadataDownloadTest, garbage_is_hostile) {
  EXPECT_EQ(download_.on_message(wire::Extended{0, "garbage"}, reply_), Outcome::hostile);
  EXPECT_EQ(download_.on_message(wire::Extended{wire::our_ut_metadata, "x"}, reply_),
            Outcome::hostile);
}

TEST_F(MetadataDownloadTest, one_who_asks_us_is_refused) {
  handshake(100);
  reply_.clear();
  EXPECT_EQ(say({Type::request, 0}), Outcome::going_on);
  ASSERT_EQ(reply_.size(), 1u);
  EXPECT_EQ(wire::decode_metadata_message(std::get<wire::Extended>(reply_[0]).payload)->type,
            Type::reject);
}

}  // namespace
}  // namespace murder::swarm
