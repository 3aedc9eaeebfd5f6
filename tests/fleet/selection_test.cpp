#include "fleet/selection.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "fleet/support.hpp"

namespace murder::fleet {
namespace {

using Names = std::vector<std::string>;

const char* const fleet_text =
    "[rack=r1]\nweb1 role=web\nweb2 role=web canary=\napi1 role=api\n"
    "[rack=r2]\nweb3 role=web\ndb1 role=db\nspare name=cold\n";

Names selected(const std::vector<std::string>& terms) {
  Selection selection;
  for (const std::string& term : terms) selection.narrow(term);
  return names_of(selection.of(hosts_of(fleet_text)));
}

std::string refused(const std::vector<std::string>& terms) {
  return refusal([&] { selected(terms); });
}

TEST(Selection, of_nothing_takes_all) {
  EXPECT_EQ(selected({}), (Names{"web1", "web2", "api1", "web3", "db1", "cold"}));
}

TEST(Selection, labels_are_compared) {
  EXPECT_EQ(selected({"rack=r1"}), (Names{"web1", "web2", "api1"}));
  EXPECT_EQ(selected({"role=web|db"}), (Names{"web1", "web2", "web3", "db1"}));
  EXPECT_EQ(selected({"canary="}), Names{"web2"});
}

TEST(Selection, a_host_without_the_label_has_not_that_value) {
  EXPECT_EQ(selected({"role!=web"}), (Names{"api1", "db1", "cold"}));
  EXPECT_EQ(selected({"role!=web|db"}), (Names{"api1", "cold"}));
  EXPECT_EQ(selected({"role!=*"}), Names{"cold"});
}

TEST(Selection, labels_are_asked_for) {
  EXPECT_EQ(selected({"canary"}), Names{"web2"});
  EXPECT_EQ(selected({"!role"}), Names{"cold"});
}

TEST(Selection, terms_must_all_hold) {
  EXPECT_EQ(selected({"rack=r1,role=web,!canary"}), Names{"web1"});
  EXPECT_EQ(selected({"rack=r1", "role=web", "!canary"}), Names{"web1"});
}

TEST(Selection, the_key_host_is_the_name) {
  EXPECT_EQ(selected({"host=web*"}), (Names{"web1", "web2", "web3"}));
  EXPECT_EQ(selected({"host=web2|cold"}), (Names{"web2", "cold"}));
  EXPECT_EQ(selected({"name=cold"}), Names{"cold"});
  EXPECT_EQ(selected({"host!=*1"}), (Names{"web2", "web3", "cold"}));
  EXPECT_EQ(selected({"host"}).size(), 6u);
}

TEST(Selection, stars_stand_for_any_characters) {
  const auto takes = [](const std::string& glob, const std::string& value) {
    Selection selection;
    selection.narrow("k=" + glob);
    return selection.takes(Host{"n", "", "n", 0, {{"k", value}}, ""});
  };
  EXPECT_TRUE(takes("*", ""));
  EXPECT_TRUE(takes("**", "x"));
  EXPECT_TRUE(takes("a*", "a"));
  EXPECT_TRUE(takes("a*c", "abc"));
  EXPECT_TRUE(takes("*b*d*", "abcd"));
  EXPECT_TRUE(takes("a*b*b", "abb"));
  EXPECT_FALSE(takes("a*a", "a"));
  EXPECT_FALSE(takes("a*b*b", "ab"));
  EXPECT_FALSE(takes("a*c", "abcd"));
  EXPECT_FALSE(takes("*b*b*", "abc"));
  EXPECT_FALSE(takes("", "x"));
  EXPECT_FALSE(takes("A", "a"));
  EXPECT_TRUE(takes("a=b", "a=b"));
}

/// By the definition: '*' is nothing, or one character and then '*' again.
bool matches(std::string_view glob, std::string_view text) {
  if (glob.empty()) return text.empty();
  if (glob.front() == '*')
    return matches(glob.substr(1), text) || (!text.empty() && matches(glob, text.substr(1)));
  return !text.empty() && text.front() == glob.front() && matches(glob.substr(1), text.substr(1));
}

TEST(Selection, stars_are_as_their_definition_says) {
  EXPECT_TRUE(rc::check([] {
    const auto glob = rc::gen::container<std::string>(rc::gen::element('a', 'b', '*'));
    const auto text = rc::gen::container<std::string>(rc::gen::element('a', 'b'));
    const std::string pattern = (*glob).substr(0, 10);
    const std::string value = (*text).substr(0, 15);
    Selection selection;
    selection.narrow("k=" + pattern);
    RC_ASSERT(selection.takes(Host{"n", "", "n", 0, {{"k", value}}, ""}) ==
              matches(pattern, value));
  }));
}

TEST(Selection, a_term_and_its_opposite_share_out_the_fleet) {
  for (const std::string key : {"rack", "role", "canary", "host", "none"}) {
    for (const std::string value : {"=*", "=r1", "=web*|db", ""}) {
      Selection is;
      Selection is_not;
      is.narrow(key + value);
      is_not.narrow(value.empty() ? "!" + key : key + "!" + value);
      for (const Host& host : hosts_of(fleet_text))
        EXPECT_NE(is.takes(host), is_not.takes(host)) << key << value << " " << host.name;
    }
  }
}

TEST(Selection, terms_that_cannot_be_read_are_refused) {
  EXPECT_EQ(
      refused({"rack r1"}),
      "--where: 'rack r1' is no term: key=value, key!=value, key or !key, with commas between "
      "them");
  for (const char* terms :
       {"", ",", "rack=r1,", "=x", "!", "!=x", "9=x", "!!a", "a!b", "!a=b", "\x1b"})
    EXPECT_NE(refused({terms}).find(" is no term: "), std::string::npos) << terms;
}

TEST(Selection, one_that_takes_nothing_says_what_there_is) {
  EXPECT_EQ(refused({"rack=r1", "role=db"}),
            "--where: rack=r1,role=db selects none of 6 hosts, which have canary=, rack=r1|r2, "
            "role=api|db|web");
  EXPECT_EQ(refused({"host=mail*"}),
            "--where: host=mail* selects none of 6 hosts, which have canary=, "
            "host=api1|cold|db1|web1|web2|web3, rack=r1|r2, role=api|db|web");
  Selection selection;
  selection.narrow("rack=r1");
  EXPECT_EQ(refusal([&] { selection.of(hosts_of("web1")); }),
            "--where: rack=r1 selects none of 1 host, which have no labels");
}

TEST(Selection, of_very_many_labels_some_are_named) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += fmt::format("w{} l{}={} rack=r{:03}\n", i, i, i, i);
  Selection selection;
  selection.narrow("rack=x");
  const std::string words = refusal([&] { selection.of(hosts_of(text)); });
  EXPECT_LT(words.size(), 500u);
  EXPECT_TRUE(words.ends_with(", …")) << words;
  Selection by_name;
  by_name.narrow("host=x");
  EXPECT_EQ(refusal([&] { by_name.of(hosts_of("w[1-999]")); }),
            "--where: host=x selects none of 999 hosts, which have "
            "host=w1|w10|w100|w101|w102|w103|w104|w105|… (999 in all)");
}

}  // namespace
}  // namespace murder::fleet
