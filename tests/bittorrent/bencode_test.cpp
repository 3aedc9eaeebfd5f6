#include "bittorrent/bencode.hpp"

#include <gtest/gtest.h>
#include <limits>
#include <rapidcheck/gtest.h>

#include "bittorrent/support.hpp"

namespace murder::bencode {
namespace {

using murder::testing::any_bytes;
using murder::testing::bytes_of;
using murder::testing::damaged;

std::string encode_again(const Value& value) {
  if (const auto number = value.integer()) return encode_integer(*number);
  if (const auto text = value.string()) return encode_string(*text);
  if (value.list()) {
    std::vector<std::string> items;
    for (const Value& item : *value.list()) items.push_back(encode_again(item));
    return encode_list(items);
  }
  DictionaryEncoder members;
  for (const auto& [key, member] : *value.dictionary()) members.encoded(key, encode_again(member));
  return members.encode();
}

rc::Gen<std::string> any_encoded(int depth) {
  auto leaf = rc::gen::oneOf(rc::gen::map(rc::gen::arbitrary<std::int64_t>(), encode_integer),
                             rc::gen::map(any_bytes(), encode_string));
  if (depth == 0) return leaf;
  return rc::gen::exec([leaf, depth] {
    const int shape = *rc::gen::inRange(0, 4);
    if (shape < 2) return *leaf;
    const int size = *rc::gen::inRange(0, 5);
    std::vector<std::string> items;
    DictionaryEncoder members;
    for (int i = 0; i < size; ++i) {
      if (shape == 2)
        items.push_back(*any_encoded(depth - 1));
      else
        members.encoded(*any_bytes(), *any_encoded(depth - 1));
    }
    return shape == 2 ? encode_list(items) : members.encode();
  });
}

std::string nested_lists(std::size_t depth) {
  return std::string(depth, 'l') + std::string(depth, 'e');
}

TEST(Bencode, reads_every_kind) {
  const std::string bytes = "d1:ai-7e1:bl3:xyz0:e1:cd1:ki0eee";
  const Value value = parse(bytes, {});
  ASSERT_TRUE(value.dictionary());
  EXPECT_EQ(value.find_integer("a"), -7);
  const Value* list = value.find("b");
  ASSERT_TRUE(list && list->list());
  ASSERT_EQ(list->list()->size(), 2u);
  EXPECT_EQ((*list->list())[0].string(), "xyz");
  EXPECT_EQ((*list->list())[1].string(), "");
  ASSERT_TRUE(value.find("c"));
  EXPECT_EQ(value.find("c")->find_integer("k"), 0);
}

TEST(Bencode, accessors_of_another_kind_give_nothing) {
  const std::string bytes = "d1:ai1e1:s1:xe";
  const Value value = parse(bytes, {});
  EXPECT_FALSE(value.integer());
  EXPECT_FALSE(value.string());
  EXPECT_EQ(value.list(), nullptr);
  EXPECT_FALSE(value.find_string("a"));
  EXPECT_FALSE(value.find_integer("s"));
  EXPECT_EQ(value.find("missing"), nullptr);
  EXPECT_EQ(value.find("a")->find("b"), nullptr);
  EXPECT_EQ(value.kind_name(), "a dictionary");
  EXPECT_EQ(value.find("a")->kind_name(), "an integer");
}

TEST(Bencode, raw_is_exactly_the_bytes_that_were_parsed) {
  const std::string bytes = "d4:infod1:xli1e2:abe1:yi2ee4:tail1:ze";
  const Value value = parse(bytes, {});
  EXPECT_EQ(value.raw(), bytes);
  ASSERT_TRUE(value.find("info"));
  EXPECT_EQ(value.find("info")->raw(), "d1:xli1e2:abe1:yi2ee");
  EXPECT_EQ(value.find("info")->raw().data(), bytes.data() + 7);
}

TEST(Bencode, whole_range_of_64_bits_is_read) {
  EXPECT_EQ(parse("i9223372036854775807e", {}).integer(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(parse("i-9223372036854775808e", {}).integer(),
            std::numeric_limits<std::int64_t>::min());
}

struct BadInput {
  std::string bytes;
  std::size_t offset;
  std::string reason;
};
void PrintTo(const BadInput& bad, std::ostream* out) { *out << bad.bytes; }

class RefusedBencode : public ::testing::TestWithParam<BadInput> {};

TEST_P(RefusedBencode, says_where_and_why) {
  const auto& [bytes, offset, reason] = GetParam();
  try {
    parse(bytes, {});
    FAIL() << "accepted";
  } catch (const SyntaxError& error) {
    EXPECT_EQ(error.offset(), offset) << error.what();
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Bencode, RefusedBencode,
    ::testing::Values(
        BadInput{"", 0, "ends where a value should begin"}, BadInput{"x", 0, "'x' does not begin"},
        BadInput{"e", 0, "does not begin"}, BadInput{"-1", 0, "does not begin"},
        BadInput{"i03e", 1, "a leading zero in a number"}, BadInput{"i-03e", 2, "a leading zero"},
        BadInput{"i00e", 1, "a leading zero"}, BadInput{"i-0e", 1, "minus zero"},
        BadInput{"ie", 1, "no digits"}, BadInput{"i-e", 2, "no digits"},
        BadInput{"i+1e", 1, "'+' in a number"}, BadInput{"i 1e", 1, "' ' in a number"},
        BadInput{"i1.5e", 2, "'.' in a number"}, BadInput{"i1", 2, "ends in a number"},
        BadInput{"i", 1, "ends in a number"}, BadInput{"i--1e", 2, "'-' in a number"},
        BadInput{"i9223372036854775808e", 1, "beyond 64 bits"},
        BadInput{"i-9223372036854775809e", 1, "beyond 64 bits"},
        BadInput{"3:ab", 0, "a string of 3 bytes where 2 are left"},
        BadInput{"03:abc", 0, "a leading zero in a string's length"},
        BadInput{"00:", 0, "a leading zero"}, BadInput{"3", 1, "ends in a string's length"},
        BadInput{"3abc", 1, "'a' in a string's length"},
        BadInput{"99999999999999999999999:", 0, "where 0 are left"},
        BadInput{"18446744073709551615:a", 0, "where 1 are left"},
        BadInput{"l", 1, "ends in a list"}, BadInput{"li1e", 4, "ends in a list"},
        BadInput{"d", 1, "ends in a dictionary"}, BadInput{"d1:a", 4, "a value should begin"},
        BadInput{"d1:ae", 4, "'e' does not begin"}, BadInput{"di1ei2ee", 1, "key is not a string"},
        BadInput{"dle1:ae", 1, "key is not a string"},
        BadInput{"d1:bi1e1:ai2ee", 9, "the key 'a' is out of order"},
        BadInput{"d1:ai1e1:ai2ee", 9, "the key 'a' comes twice"},
        BadInput{"d2:abi1e1:ai2ee", 10, "out of order"},
        BadInput{"i1ei2e", 3, "3 bytes after the end"}, BadInput{"1:a\n", 3, "1 bytes after"},
        BadInput{nested_lists(33), 32, "nested deeper than 32 levels"}));

TEST(Bencode, nesting_up_to_the_limit_is_read) {
  const std::string bytes = nested_lists(32);
  EXPECT_EQ(parse(bytes, {}).raw(), bytes);
}

TEST(Bencode, hostile_nesting_cannot_exhaust_the_stack) {
  EXPECT_THROW(parse(std::string(1u << 20, 'l'), {}), SyntaxError);
  EXPECT_THROW(parse(std::string(1u << 20, 'd'), {}), SyntaxError);
}

TEST(Bencode, more_bytes_or_values_than_allowed_are_refused) {
  ParseOptions options;
  options.max_values = 3;
  EXPECT_NO_THROW(parse("li1ei2ee", options));
  EXPECT_THROW(parse("li1ei2ei3ee", options), SyntaxError);
  options.max_bytes = 8;
  EXPECT_NO_THROW(parse("6:abcdef", options));
  EXPECT_THROW(parse("7:abcdefg", options), SyntaxError);
}

TEST(Bencode, unsorted_keys_are_found_when_order_is_not_required) {
  ParseOptions options;
  options.require_sorted_keys = false;
  const std::string bytes = "d1:ci3e1:ai1e1:bi2ee";
  const Value value = parse(bytes, options);
  EXPECT_EQ(value.find_integer("a"), 1);
  EXPECT_EQ(value.find_integer("b"), 2);
  EXPECT_EQ(value.find_integer("c"), 3);
  EXPECT_EQ(value.raw(), bytes);
}

TEST(Bencode, repeated_keys_are_refused_in_any_order) {
  ParseOptions options;
  options.require_sorted_keys = false;
  try {
    parse("d1:bi1e1:ai2e1:bi3ee", options);
    FAIL() << "accepted";
  } catch (const SyntaxError& error) {
    EXPECT_EQ(error.offset(), 15u);
  }
}

TEST(Bencode, prefix_leaves_what_follows) {
  const std::string bytes = "d5:piecei0eeRAW DATA";
  EXPECT_EQ(parse_prefix(bytes, {}).raw().size(), 12u);
  EXPECT_THROW(parse(bytes, {}), SyntaxError);
}

TEST(Bencode, keys_leave_the_encoder_sorted_as_raw_bytes) {
  DictionaryEncoder encoder;
  EXPECT_TRUE(encoder.empty());
  encoder.integer("\xff", 1).string("z", "last").integer("piece length", 2).integer("pieces", 3);
  encoder.string("z", "text").encoded("a", encode_list({encode_integer(-5)}));
  EXPECT_FALSE(encoder.empty());
  EXPECT_EQ(encoder.encode(), "d1:ali-5ee12:piece lengthi2e6:piecesi3e1:z4:text1:\xffi1ee");
}

RC_GTEST_PROP(BencodeProperty, what_is_encoded_reads_back_the_same, ()) {
  const std::string bytes = *any_encoded(3);
  RC_ASSERT(encode_again(parse(bytes, {})) == bytes);
}

// Strictness in one sentence: nothing is accepted that the encoder would have written otherwise.
RC_GTEST_PROP(BencodeProperty, what_is_accepted_is_canonical, ()) {
  const std::string bytes =
      *rc::gen::oneOf(bytes_of("0123456789:ilde-a"), damaged("d1:ali1ee1:b0:e"),
                      damaged("d4:infod1:a1:x1:bi-12eee"));
  try {
    const Value value = parse(bytes, {});
    RC_ASSERT(encode_again(value) == bytes);
  } catch (const SyntaxError& error) {
    RC_ASSERT(error.offset() <= bytes.size());
  }
}

RC_GTEST_PROP(BencodeProperty, relaxed_order_accepts_all_that_strict_does, ()) {
  const std::string bytes = *any_encoded(3);
  ParseOptions options;
  options.require_sorted_keys = false;
  RC_ASSERT(encode_again(parse(bytes, options)) == bytes);
}

RC_GTEST_PROP(BencodeProperty, any_bytes_are_read_or_refused, ()) {
  const std::string bytes = *any_bytes();
  try {
    RC_ASSERT(parse(bytes, {}).raw() == bytes);
  } catch (const SyntaxError& error) {
    RC_ASSERT(error.offset() <= bytes.size());
  }
}

}  // namespace
}  // namespace murder::bencode
