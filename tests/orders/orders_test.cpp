#include "orders/orders.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace murder::orders {
namespace {

TEST(Orders, an_order_arrives_as_it_was_given) {
  Activate order;
  order.dest = "/srv/app";
  order.tag = "v7";
  order.link_shared = {"log", "config/secrets"};
  order.after = {"systemctl restart app", 30};
  const ReceivedOrder received = parse_order(encode_order(7, order));
  EXPECT_EQ(received.id, 7u);
  const auto& activate = std::get<Activate>(received.order);
  EXPECT_EQ(activate.dest, "/srv/app");
  EXPECT_EQ(activate.link_shared, order.link_shared);
  EXPECT_EQ(activate.after.command, "systemctl restart app");
  EXPECT_EQ(activate.after.timeout_s, 30u);
}

TEST(Orders, unlock_and_publish_are_answered_alike) {
  EXPECT_EQ(answered_id(encode_answer(3, Done{})), 3u);
  EXPECT_NO_THROW(parse_answer<Done>(encode_answer(3, Done{})));
}

TEST(Orders, an_answer_arrives_as_it_was_given) {
  Probed probed;
  probed.results = {{"10.0.0.2:8999", false, 0, "timed out"}};
  const auto answer = parse_answer<Probed>(encode_answer(9, probed));
  ASSERT_EQ(answer.results.size(), 1u);
  EXPECT_EQ(answer.results[0].reason, "timed out");
}

TEST(Orders, an_error_keeps_its_kind_and_words) {
  try {
    parse_answer<Staged>(encode_error(4, ErrorKind::integrity, "piece 3 is wrong"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::integrity);
    EXPECT_STREQ(error.what(), "piece 3 is wrong");
  }
}

TEST(Orders, what_is_missing_has_its_default_and_what_is_unknown_is_ignored) {
  const auto received = parse_order(R"({"id":1,"order":"prune","dest":"/srv/app","colour":"red"})");
  EXPECT_EQ(std::get<Prune>(received.order).keep, 5u);
}

TEST(Orders, an_unknown_order_says_that_the_versions_differ) {
  try {
    parse_order(R"({"id":1,"order":"dance"})");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("different versions"), std::string::npos);
  }
}

TEST(Orders, nonsense_is_an_error_and_no_crash) {
  for (const char* text :
       {"", "[]", "{}", "{\"order\":7}", "{\"id\":1,\"order\":\"prune\",\"keep\":\"x\"}",
        "\xff\xfe", "{\"order\":\"look\",\"dest\":[]}"})
    EXPECT_THROW(parse_order(text), Error) << text;
  for (const char* text : {"", "[]", "7", "{\"hello\":7}", "{}"})
    EXPECT_THROW(parse_hello(text), Error) << text;
}

TEST(Orders, another_protocol_is_named) {
  Hello hello;
  hello.protocol = protocol + 1;
  hello.version = "9.9";
  EXPECT_THROW(parse_hello(encode_hello(hello)), Error);
  hello.protocol = protocol;
  EXPECT_EQ(parse_hello(encode_hello(hello)).version, "9.9");
}

TEST(Orders, bytes_that_are_no_text_are_replaced) {
  Checked checked;
  checked.output = "caf\xe9";
  EXPECT_EQ(parse_answer<Checked>(encode_answer(1, checked)).output, "caf\xef\xbf\xbd");
}

TEST(Orders, what_is_for_the_transfer_is_told_from_what_is_for_the_host) {
  EXPECT_TRUE(peek_order(R"({"order":"pieces","piece":7})").for_transfer());
  EXPECT_TRUE(peek_order(R"({"order":"stop"})").for_transfer());
  EXPECT_FALSE(peek_order(R"({"order":"stop","id":1})").for_transfer());
  EXPECT_FALSE(peek_order(encode_order(2, Prune{})).for_transfer());
  EXPECT_EQ(peek_order(encode_order(2, Prune{})).id, 2u);
  EXPECT_EQ(peek_order(encode_order(2, Prune{})).name, "prune");
  for (const char* text : {"", "[]", "{", "{\"order\":7,\"id\":-1}"}) {
    EXPECT_EQ(peek_order(text).id, 0u) << text;
    EXPECT_EQ(peek_order(text).name, "") << text;
  }
}

}  // namespace
}  // namespace murder::orders
