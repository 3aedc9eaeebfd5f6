#include "fleet/name_ranges.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace murder::fleet {
namespace {

using Names = std::vector<std::string>;

TEST(NameRanges, names_that_follow_one_another_become_one) {
  EXPECT_EQ(name_ranges({"web001", "web002", "web003"}), Names{"web[001-003]"});
  EXPECT_EQ(name_ranges({"web3.dc2.example.com", "web1.dc2.example.com", "web2.dc2.example.com"}),
            Names{"web[1-3].dc2.example.com"});
  EXPECT_EQ(name_ranges({"10.0.0.9", "10.0.0.10", "10.0.0.11"}), Names{"10.0.0.[9-11]"});
}

TEST(NameRanges, what_stands_alone_stays_as_it_is) {
  EXPECT_EQ(name_ranges({}), Names{});
  EXPECT_EQ(name_ranges({"db"}), Names{"db"});
  EXPECT_EQ(name_ranges({"web-07"}), Names{"web-07"});
  EXPECT_EQ(name_ranges({"web1", "db", "web2", "web4"}), (Names{"web[1-2]", "db", "web4"}));
  EXPECT_EQ(name_ranges({"a12345678901234567890", "a12345678901234567891"}),
            (Names{"a12345678901234567890", "a12345678901234567891"}));
}

TEST(NameRanges, a_width_is_kept) {
  EXPECT_EQ(name_ranges({"w098", "w099", "w100", "w101"}), Names{"w[098-101]"});
  EXPECT_EQ(name_ranges({"w008", "w9", "w10"}), (Names{"w008", "w[9-10]"}));
  EXPECT_EQ(name_ranges({"w0", "w1"}), Names{"w[0-1]"});
  // The same number, written twice.
  EXPECT_EQ(name_ranges({"w1", "w01"}), (Names{"w1", "w01"}));
}

TEST(NameRanges, of_several_numbers_the_one_that_counts_is_taken) {
  Names names;
  for (int rack = 1; rack <= 3; ++rack)
    for (int i = 1; i <= 20; ++i) names.push_back(fmt::format("r{}-web{:02}.dc1", rack, i));
  EXPECT_EQ(name_ranges(names),
            (Names{"r1-web[01-20].dc1", "r2-web[01-20].dc1", "r3-web[01-20].dc1"}));
}

TEST(NameRanges, five_thousand_are_few_words) {
  Names names;
  for (int i = 1; i <= 5000; ++i) names.push_back(fmt::format("web{}.example.com", i));
  EXPECT_EQ(name_ranges(names), Names{"web[1-5000].example.com"});
}

}  // namespace
}  // namespace murder::fleet
